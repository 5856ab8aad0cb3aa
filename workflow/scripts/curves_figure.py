"""A figure of training losses against steps, one panel per sequence length."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

SMOOTHING = 10  # steps of the running mean that a line shows; single steps are too noisy to read
POINTS = 120  # of a line, evenly on the log axis
FOOTER = (
    "n = {n} seeds, thin, and their median, thick (a run that ended counts with its last loss);"
    " running means; ×: ended unsolved"
)


def main(table, cells, curves, mplstyle, png, svg):
    """Draw the curves (one row per model, seq_len, seed and step) with the floors of the table."""
    summary, cells, curves = (pd.read_parquet(path) for path in (table, cells, curves))
    lengths, longest = sorted(summary["seq_len"].unique()), curves["step"].max()
    shape = {"size": (5.6, 0.9 + 2 * len(lengths)), "panels": len(lengths), "stacked": True}
    shape |= {"sharex": True, "sharey": True}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as axes:
        style.headline(axes[0], finding(summary[summary["seq_len"] == lengths[-1]]))
        for axis, seq_len in zip(axes, lengths, strict=True):
            parts = (part[part["seq_len"] == seq_len] for part in (summary, cells, curves))
            draw_length(axis, *parts, longest)
            axis.axvline(style.ORIGINAL_STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
            axis.set_title(f"{seq_len} tokens")
        axis.set(xscale="log", xlim=(SMOOTHING, longest * 1.15), ylim=(-0.3, 6.4), yticks=range(5))
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.set_xlabel("training steps")
        axes[len(axes) // 2].set_ylabel("training loss (nats)")
        if longest > style.ORIGINAL_STEPS:
            style.note(axes[0], "the original stopped here", (style.ORIGINAL_STEPS, 0), (3, 2))


def finding(rows):
    """Who solves the longest length in most runs."""
    solvers = rows.loc[rows["solved_share"] > 0.5, "model"].map(style.title_of)
    who = " and ".join(solvers) or "no model"
    return f"{rows['seq_len'].iloc[0]} tokens are recalled, in most runs, by {who}"


def draw_length(axis, summary, cells, curves, longest):
    """Floors, then median and seeds of each model, a cross where a run ended that was not solved.

    The floors are what can be reached without any memory of the order: chance and a bag of tokens.
    """
    floors = summary.iloc[0]
    for column, name in (
        ("chance_loss_nats", "chance"),
        ("bag_of_tokens_loss_nats", "counts tokens, no order"),
    ):
        axis.axhline(floors[column], **style.DASHED)
        style.note(axis, name, (SMOOTHING, floors[column]), (3, -2), va="top")
    falls, ends = {}, {}  # step at which the median of a model falls, or ends
    for model, rows, look in style.models(curves):
        losses = rows.pivot(index="step", columns="seed", values="train_loss")
        # A run that ended stays where it was: it is not missing from the median.
        smooth = losses.ffill().rolling(SMOOTHING, min_periods=1).mean()
        median, color = smooth.median(axis=1), look["color"]
        shown = np.unique(np.geomspace(1, len(smooth), POINTS).round()).astype(int) - 1
        seeds = smooth.where(losses.notna()).iloc[shown]
        axis.plot(seeds.index, seeds, lw=0.6, alpha=0.45, color=color)
        axis.plot(median.index[shown], median.iloc[shown], lw=2, **style.line(look))
        unsolved = cells[(cells["model"] == model) & cells["solved_step"].isna()]
        last = [smooth.loc[run.steps, run.seed] for run in unsolved.itertuples()]
        axis.plot(unsolved["steps"], last, "x", color=color, ms=5, mew=1.4)
        below = median < floors["chance_loss_nats"] / 2
        if below.any():
            falls[model] = below.idxmax()
        else:
            ends[model] = len(median)
    label(axis, summary, falls, ends, longest)


def label(axis, summary, falls, ends, longest):
    """Names with solved runs: beside a median that falls, in steps down; above one that does not."""
    places = {}
    for rank, model in enumerate(sorted(falls, key=falls.get)):
        side = "right" if falls[model] > longest / 5 else "left"
        places[model] = falls[model], 3.1 - 2.6 * rank / max(len(falls) - 1, 3), side
    for rank, model in enumerate(sorted(ends, key=ends.get)):
        places[model] = ends[model], 4.85 + 0.75 * (rank % 2), "right"
    for model, rows, look in style.models(summary):
        x, y, side = places[model]
        text = f"{style.title_of(model)} {rows['solved'].item()} of {rows['n'].item()}"
        place = {"ha": side, "va": "bottom", "fontsize": 8.5, "color": look["color"]}
        style.note(axis, text, (x, y), (5 if side == "left" else -5, 0), **place)


if __name__ == "__main__":
    log.run(main, snakemake)
