"""A figure of training losses against steps, one panel per sequence length."""

import numpy as np

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style

SMOOTHING = 10  # steps of the running mean that a line shows; single steps are too noisy to read
POINTS = 120  # of a line, evenly on the log axis


def main(table, cells, curves, mplstyle, png, svg):
    """Draw the curves (one row per model, seq_len, seed and step) with the floors of the table."""
    summary, cells, curves = map(read_table, (table, cells, curves))
    lengths = sorted(summary["seq_len"].unique())
    longest = max(cells["steps"].max(), 10 * SMOOTHING)
    shape = {"size": (5.6, 0.9 + 2 * len(lengths)), "panels": len(lengths), "columns": 1}
    shape |= {"sharex": True, "sharey": True}
    with style.drawing(mplstyle, cells, "curves", png, svg, **shape) as axes:
        style.headline(axes[0], finding(summary[summary["seq_len"] == lengths[-1]]))
        axes[0].set(xscale="log", xlim=(SMOOTHING, longest * 1.15), ylim=(-0.3, 5), yticks=range(5))
        axes[0].xaxis.set_major_formatter("{x:,.0f}")
        for axis, seq_len in zip(axes, lengths, strict=True):
            parts = (part[part["seq_len"] == seq_len] for part in (summary, cells, curves))
            draw_length(axis, *parts)
            axis.axvline(style.ORIGINAL_STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
            axis.set_title(f"{seq_len} tokens")
        axis.set_xlabel("training steps")
        axes[len(axes) // 2].set_ylabel("training loss (nats)")
        if longest > style.ORIGINAL_STEPS:
            top = {"xycoords": axes[0].get_xaxis_transform(), "ha": "center"}
            style.note(axes[0], "the original stopped here", (style.ORIGINAL_STEPS, 1), **top)


def finding(rows):
    """Who solves the longest length in most runs."""
    solvers = rows.loc[rows["solved_share"] > 0.5, "model"].map(style.title_of)
    who = " and ".join(filter(None, [", ".join(solvers[:-1]), *solvers[-1:]])) or "no model"
    return f"{rows['seq_len'].iloc[0]} tokens are recalled, in most runs, by {who}"


def draw_length(axis, summary, cells, curves):
    """Floors, then median and seeds of each model, a cross where a run ended that was not solved.

    The floors are what can be reached without knowing the order: chance and a bag of tokens. A model
    of which no run trained is named at the right, with the reason.
    """
    floors = summary.iloc[0]
    for column, name in (
        ("chance_loss_nats", "chance"),
        ("bag_of_tokens_loss_nats", "counts tokens, no order"),
    ):
        axis.axhline(floors[column], **style.DASHED)
        style.note(axis, name, (SMOOTHING, floors[column]), (3, -2), va="top")
    solved, medians, untrained = summary.set_index("model")[["solved", "n"]], [], []
    for model, _, look in style.models(summary):
        of_model, color = cells[cells["model"] == model], look["color"]
        failed = of_model.loc[of_model["steps"] == 0, "status"].value_counts()
        count, n = solved.loc[model]
        name = f"{style.title_of(model)} {count} of {n}"
        name = ", ".join([name, *(f"{k} {status}" for status, k in failed.items())])
        rows = curves[curves["model"] == model]
        if rows.empty:
            untrained.append((name, axis.get_xlim()[1], floors["chance_loss_nats"], color))
            continue
        losses = rows.pivot(index="step", columns="seed", values="train_loss")
        # A run that ended stays where it was: it is not missing from the median.
        smooth = losses.ffill().rolling(SMOOTHING, min_periods=1).mean()
        median = smooth.median(axis=1)
        shown = np.unique(np.geomspace(1, len(smooth), POINTS).round()).astype(int) - 1
        seeds = smooth.where(losses.notna()).iloc[shown]
        axis.plot(seeds.index, seeds, lw=0.6, alpha=0.45, color=color)
        axis.plot(median.index[shown], median.iloc[shown], lw=2, **style.line(look))
        unsolved = of_model[of_model["solved_step"].isna() & (of_model["steps"] > 0)]
        last = [smooth.loc[run.steps, run.seed] for run in unsolved.itertuples()]
        axis.plot(unsolved["steps"], last, "x", color=color, ms=5, mew=1.4)
        medians.append((name, median, color))
    style.label_ends(axis, [*beside(medians, floors["chance_loss_nats"]), *untrained])


def beside(medians, chance):
    """Where names go: beside a median's fall, the earliest fall highest, or at the end of one without.

    medians: (name, series over steps, color).
    """
    falls = [(name, m, color, (m < chance / 2).idxmax()) for name, m, color in medians]
    falls = sorted((f for f in falls if f[1].min() < chance / 2), key=lambda fall: fall[-1])
    heights = np.linspace(0.65, 0.15, max(len(falls), 4)) * chance
    for (name, median, color, _), height in zip(falls, heights, strict=False):
        yield name, (median < height).idxmax(), height, color
    for name, median, color in medians:
        if median.min() >= chance / 2:
            yield name, len(median), median.iloc[-1], color


if __name__ == "__main__":
    log.run(main, snakemake)
