"""A figure of training losses against steps, one panel per sequence length."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

ORIGINAL_STEPS = 500
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
    look, size = style.looks(cells), (5.6, 0.9 + 2 * len(lengths))
    shape = {"size": size, "panels": len(lengths), "sharex": True, "sharey": True}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, stacked=True, **shape) as axes:
        style.headline(axes, finding(summary[summary["seq_len"] == lengths[-1]]))
        for axis, seq_len in zip(axes, lengths, strict=True):
            rows = summary[summary["seq_len"] == seq_len].set_index("model")
            draw_floors(axis, rows.iloc[0])
            unsolved = cells[(cells["seq_len"] == seq_len) & cells["solved_step"].isna()]
            ends = draw_curves(axis, curves[curves["seq_len"] == seq_len], rows, look)
            draw_stops(axis, curves, unsolved, look)
            label(axis, ends, rows, look, longest)
            axis.axvline(ORIGINAL_STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
            axis.set_title(f"{seq_len} tokens")
            axis.set(xscale="log", xlim=(SMOOTHING, longest * 1.15), ylim=(-0.3, 6.4))
            axis.set_yticks(range(5))
        axes[-1].xaxis.set_major_formatter("{x:,.0f}")
        axes[-1].set_xlabel("training steps")
        axes[len(axes) // 2].set_ylabel("training loss (nats)")
        if longest > ORIGINAL_STEPS:
            style.note(axes[0], "the original stopped here", (ORIGINAL_STEPS, 0), (3, 2))


def finding(rows):
    """Who solves the longest length in most runs."""
    solvers = rows.loc[rows["solved_share"] > 0.5, "model"].map(style.title_of)
    who = " and ".join(solvers) or "no model"
    return f"{rows['seq_len'].iloc[0]} tokens are recalled, in most runs, by {who}"


def draw_floors(axis, row):
    """What can be reached without any memory of the order: chance and a bag of tokens."""
    for loss, name in (
        (row["chance_loss_nats"], "chance"),
        (row["bag_of_tokens_loss_nats"], "counts tokens, no order"),
    ):
        axis.axhline(loss, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
        style.note(axis, name, (SMOOTHING, loss), (3, -2), va="top")


def draw_curves(axis, curves, rows, look):
    """Median and seeds of each model; returns {model: (x, y)} of where its median falls or ends."""
    ends = {}
    for model, of_model in curves.groupby("model", sort=False):
        wide = of_model.pivot(index="step", columns="seed", values="train_loss")
        # A run that ended stays where it was: it is not missing from the median.
        smooth = wide.ffill().rolling(SMOOTHING, min_periods=1).mean()
        shown = np.unique(np.geomspace(1, len(smooth), POINTS).round()).astype(int) - 1
        color, seeds = look[model]["color"], smooth.where(wide.notna()).iloc[shown]
        axis.plot(seeds.index, seeds, lw=0.6, alpha=0.45, color=color)
        median = smooth.median(axis=1)
        axis.plot(median.index[shown], median.iloc[shown], lw=2, **style.line(look[model]))
        below = median < rows.loc[model, "chance_loss_nats"] / 2
        ends[model] = (below.idxmax(), None) if below.any() else (len(median), median.iloc[-1])
    return ends


def draw_stops(axis, curves, unsolved, look):
    """A cross where each run ended that was not solved within its budget."""
    keys = ["model", "seq_len", "seed"]
    tails = curves.groupby(keys)["train_loss"].apply(lambda losses: losses.tail(SMOOTHING).mean())
    for model, runs in unsolved.groupby("model", sort=False):
        losses = tails.reindex(pd.MultiIndex.from_frame(runs[keys]))
        axis.plot(runs["steps"], losses, "x", color=look[model]["color"], ms=5, mew=1.4)


def label(axis, ends, rows, look, longest):
    """Names with solved runs: beside a median that falls, in steps down; above one that does not."""
    order = sorted(ends, key=lambda model: ends[model][0])
    fallen = [model for model in order if ends[model][1] is None]
    rest = [model for model in order if model not in fallen]
    for model in order:
        x, rank = ends[model][0], (fallen if model in fallen else rest).index(model)
        if model in fallen:
            late = x > longest / 5
            y, side = 3.1 - 2.6 * rank / max(len(fallen) - 1, 3), "right" if late else "left"
        else:
            near = rank and x < 4 * ends[rest[rank - 1]][0]
            y, side = 5.6 if near and rank % 2 else 4.85, "right"
        text = f"{style.title_of(model)} {rows.loc[model, 'solved']} of {rows.loc[model, 'n']}"
        look_of = {"color": look[model]["color"], "ha": side, "va": "bottom", "fontsize": 8.5}
        style.note(axis, text, (x, y), (5 if side == "left" else -5, 0), **look_of)


if __name__ == "__main__":
    log.run(main, snakemake)
