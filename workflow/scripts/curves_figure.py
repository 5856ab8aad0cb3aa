"""A figure of training losses against steps, one panel per sequence length."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

ORIGINAL_STEPS = 500
SMOOTHING = 10  # steps of the running mean that a line shows; single steps are too noisy to read
FOOTER = (
    "seeds; thick: median over seeds (a run that ended counts with its last loss), thin: each seed;"
    " running means"
)


def main(table, cells, curves, mplstyle, png, svg):
    """Draw the curves (one row per model, seq_len, seed and step) with the floors of the table."""
    summary, cells, curves = (pd.read_parquet(path) for path in (table, cells, curves))
    lengths, longest = sorted(summary["seq_len"].unique()), curves["step"].max()
    look, size = style.looks(cells), (2.2 + 3.4 * len(lengths), 4.2)
    shape = {"size": size, "panels": len(lengths), "sharex": True, "sharey": True}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as axes:
        labels = {}
        for axis, seq_len in zip(axes, lengths, strict=True):
            rows = summary[summary["seq_len"] == seq_len].set_index("model")
            draw_floors(axis, rows.iloc[0])
            labels[axis] = [
                (
                    f"{style.title_of(m)}\n{rows.loc[m, 'solved']} of {rows.loc[m, 'n']} solved",
                    longest,
                    *end,
                )
                for m, *end in draw_curves(axis, curves[curves["seq_len"] == seq_len], look)
            ]
            axis.axvline(ORIGINAL_STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
            axis.set(title=f"{seq_len} tokens", xlabel="training steps", xscale="log")
            axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.set_xlim(SMOOTHING, longest * 9)
        axes[0].set(ylabel="training loss (nats), lower is better", ylim=(-0.45, 5.1))
        if longest > ORIGINAL_STEPS:
            style.note(axes[0], "the original\nstopped here", (ORIGINAL_STEPS, 2.3), (4, 0))
        for axis, ends in labels.items():
            style.label_ends(axis, ends, size=8)


def draw_floors(axis, row):
    """What can be reached without any memory of the order: chance and a bag of tokens."""
    for loss, name in (
        (row["chance_loss_nats"], "chance"),
        (row["bag_of_tokens_loss_nats"], "counts tokens, no order"),
    ):
        axis.axhline(loss, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
        style.note(axis, name, (SMOOTHING, loss), (3, -2), va="top")


def draw_curves(axis, curves, look):
    """Median and seeds of each model; returns (model, y, color) of each median's end."""
    ends = []
    for model, rows in curves.groupby("model", sort=False):
        wide = rows.pivot(index="step", columns="seed", values="train_loss")
        # A run that ended stays where it was: it is not missing from the median.
        smooth = wide.ffill().rolling(SMOOTHING, min_periods=1).mean()
        color = look[model]["color"]
        axis.plot(smooth.index, smooth.where(wide.notna()), lw=0.6, alpha=0.45, color=color)
        median = smooth.median(axis=1)
        axis.plot(median.index, median, lw=2, **style.line(look[model]))
        ends.append((model, median.iloc[-1], color))
    return ends


if __name__ == "__main__":
    log.run(main, snakemake)
