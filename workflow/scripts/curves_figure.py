"""A figure of training losses against steps, one panel per sequence length."""

import numpy as np

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style

SMOOTHING = 10  # steps of the running mean that a line shows; single steps are too noisy to read
POINTS = 80  # of a line, evenly on the log axis
BELOW, ROW = -0.7, 0.62  # where the names of what was learned begin, and how far apart they are
FLOORS = {"chance": "chance", "bag_of_tokens": "counts tokens, no order"}


def main(table, cells, curves, mplstyle, png, svg):
    """Draw the curves (one row per model, seq_len, seed and step) with the floors of the table."""
    summary, cells, curves = map(read_table, (table, cells, curves))
    lengths = sorted(summary["seq_len"].unique())
    longest = max(cells["steps"].max(), 10 * SMOOTHING)
    experiment = cells["experiment"].iloc[0]
    loss = style.SPEC["losses"].get(experiment)  # what it is of, where the floors are not
    named = (summary[summary["solved"] > 0].groupby("seq_len").size().get(n, 0) for n in lengths)
    bottoms = [BELOW - ROW * max(count - 0.3, 0) for count in named]
    heights = [5 - bottom for bottom in bottoms]  # a panel is as high as its names need
    size = (style.NARROW, 1.45 + 0.35 * len(lengths) + 0.31 * sum(heights))
    shape = {"size": size, "panels": len(lengths), "columns": 1, "about": {"loss": loss}}
    shape |= {"sharex": True, "height_ratios": heights}
    footer = "curves_of_another_loss" if loss else "curves"
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        found = finding(summary[summary["seq_len"] == lengths[-1]])
        style.headline(axes[0], found, experiment)
        axes[0].set(xscale="log", xlim=(SMOOTHING, longest * 1.1))
        axes[0].xaxis.set_major_formatter("{x:,.0f}")
        axes[-1].set_xlabel("training steps")
        axes[len(axes) // 2].set_ylabel("training loss (nats)")
        feet, ends, floors = {}, {}, ["chance"] if loss else ["chance", "bag_of_tokens"]
        for axis, seq_len, bottom in zip(axes, lengths, bottoms, strict=True):
            axis.set(title=f"{seq_len} tokens", ylim=(bottom, 5), yticks=range(5))
            parts = (part[part["seq_len"] == seq_len] for part in (summary, cells, curves))
            feet[axis], ends[axis] = draw_length(axis, *parts, floors)
            ends_at = BELOW / 2, 5  # above the names
            axis.vlines(style.ORIGINAL_STEPS, *ends_at, color="0.6", lw=0.8, ls=":", zorder=0)
        style.label_ends(ends)
        style.label_feet(feet, BELOW, ROW)
        if longest > style.ORIGINAL_STEPS:
            top = {"xycoords": axes[0].get_xaxis_transform(), "ha": "center", "fontsize": 8.5}
            style.note(axes[0], "the original stopped here", (style.ORIGINAL_STEPS, 1), **top)


def finding(rows):
    """Who solves the longest length in how many runs, the most first."""
    groups = rows.groupby(["solved", "n"])["model"].agg(list).sort_index(ascending=False)
    parts = (f"in {k} of {n} runs by {style.listed(models)}" for (k, n), models in groups.items())
    return f"the first of {rows['seq_len'].iloc[0]} tokens is recalled {', '.join(parts)}"


def draw_length(axis, summary, cells, curves, floors):
    """Floors, then median and seeds of each model, a cross where a run ended that was not solved.

    The floors are what can be reached without knowing the order: chance and a bag of tokens. A curve
    that came down is named below the step at which half of its runs were solved, any other at its
    end. A model of which no run trained is named at the right, with the reason. Returns the names to
    write, (text, x, y, color) each: below curves, and at ends.
    """
    chance = summary["chance_loss_nats"].iloc[0]
    for floor in floors:
        level, name = summary[f"{floor}_loss_nats"].iloc[0], FLOORS[floor]
        axis.axhline(level, **style.DASHED)
        style.note(axis, name, (SMOOTHING, level), (3, -2), va="top", fontsize=8.5)
    solved, feet, ends = summary.set_index("model")[["solved", "n"]], [], []
    for model, _, look in style.models(summary):
        of_model, color = cells[cells["model"] == model], look["color"]
        failed = of_model.loc[of_model["steps"] == 0, "status"].value_counts()
        count, n = solved.loc[model]
        name = f"{style.title_of(model)}, {count} of {n}"
        name = ", ".join([name, *(f"{k} {status}" for status, k in failed.items())])
        rows = curves[curves["model"] == model]
        if rows.empty:
            ends.append((name, axis.get_xlim()[1], chance, color))
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
        half = of_model["solved_step"].fillna(np.inf).median()
        if median.iloc[-1] < chance / 2:
            x = median.index[median.index <= half][-1]
            if half < np.inf:
                axis.plot(x, median[x], ".", color=color, ms=11)
            feet.append((name, x, median[x], color))
        else:
            ends.append((name, median.index[-1], median.iloc[-1], color))
    return feet, ends


if __name__ == "__main__":
    log.run(main, snakemake)
