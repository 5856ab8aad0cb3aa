"""The figure of the gradient at each position, before, during and after training."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

FOOTER = (
    "seeds, line: median, band: range; {tokens} tokens, the first is to be recalled; dotted: what the"
    " LSTM's initial forget gate alone would leave, mean of f^distance"
)


def main(table, cells, mplstyle, png, svg):
    """Draw the table `gradient_flow` at the longest length, one panel per moment, log scale."""
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    longest = table["seq_len"].max()
    table = table[table["seq_len"] == longest]
    moments, look = list(table["moment"].unique()), style.looks(table)
    footer, size = FOOTER.format(tokens=longest), (4.2 * len(moments) + 1, 4.2)
    shape = {"size": size, "panels": len(moments), "sharey": True}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        for axis, moment in zip(axes, moments, strict=True):
            for model, rows in table[table["moment"] == moment].groupby("model", sort=False):
                draw_model(axis, rows, look[model], moment == moments[0])
            axis.set(yscale="log", title=moment.capitalize(), xlabel="position of the token")
            axis.set_xticks([1, *range(longest // 4, longest + 1, max(1, longest // 4))])
            axis.set_xlim(1, longest * 1.55)
        axes[0].set_ylabel("gradient of the loss at the token's embedding")
        bottom, top = axes[0].get_ylim()
        axes[0].set_ylim(bottom, top * (top / bottom) ** 0.12)  # room for the labels
        for axis, moment in zip(axes, moments, strict=True):
            rows = table[(table["moment"] == moment) & (table["position"] == longest)]
            colors = [look[model]["color"] for model in rows["model"]]
            names = map(style.title_of, rows["model"])
            ends = zip(names, rows["position"], rows["gradient_median"], colors, strict=True)
            style.label_ends(axis, ends, size=8)


def draw_model(axis, rows, look, with_reference):
    """Median and range over seeds of one model at one moment."""
    axis.plot(rows["position"], rows["gradient_median"], **style.line(look))
    bounds = rows["gradient_min"], rows["gradient_max"]
    axis.fill_between(rows["position"], *bounds, color=look["color"], alpha=0.15, lw=0)
    if with_reference and np.isfinite(rows["reference"]).all():
        axis.plot(rows["position"], rows["reference"], color=look["color"], lw=0.9, ls=":")


if __name__ == "__main__":
    log.run(main, snakemake)
