"""The figure of the gradient at each position, before, during and after training."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.judging.statements import load
from workflow.seqbench.showing import style
from workflow.seqbench.showing.text import digits

FOOTER = (
    "n = {{n}} seeds, line: median, band: range; {tokens} tokens, the first is to be recalled; dotted: what"
    " the LSTM's initial forget gate alone would leave, mean of f^distance"
)


def main(table, cells, claims, mplstyle, png, svg):
    """Draw the table `gradient_flow` at the longest length, one panel per moment, log scale.

    Gradients are relative to that of the last position; the claim on vanishing gradients says below
    which share of it the first token cannot be learned.
    """
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    conditions = (c for claim in load(claims) for c in claim["conditions"].values())
    vanished = next(c["vanished"] for c in conditions if "vanished" in c)
    longest = table["seq_len"].max()
    table = relative(table[table["seq_len"] == longest])
    moments, look = list(table["moment"].unique()), style.looks(table)
    shape = {"size": (3.6 * len(moments) + 1, 4.2), "panels": len(moments), "sharey": True}
    footer = FOOTER.format(tokens=longest)
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        style.headline(axes, finding(table[table["moment"] == moments[0]], vanished))
        for axis, moment in zip(axes, moments, strict=True):
            rows = table[table["moment"] == moment]
            for model, of_model in rows.groupby("model", sort=False):
                draw_model(axis, of_model, look[model], moment == moments[0])
            axis.axhline(vanished, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
            axis.set(
                yscale="log", title=moment.capitalize(), xlabel="distance from the end (tokens)"
            )
            axis.set_xlim(0, longest - 1)
        note = "the verdict's threshold, " + digits(vanished).replace("e-0", "e-")
        style.note(axes[0], note, (longest, vanished), (-3, 3), ha="right")
        axes[0].set_ylabel("gradient, relative to the last token's")
        for axis, moment in zip(axes, moments, strict=True):
            ends = table[(table["moment"] == moment) & (table["position"] == 1)]
            names = map(style.title_of, ends["model"])
            colors = [look[model]["color"] for model in ends["model"]]
            labels = zip(names, ends["distance"], ends["gradient_median"], colors, strict=True)
            style.label_ends(axis, labels, size=8)


def relative(table):
    """The table with distances from the end, gradients and reference over the last position's median."""
    last = table[table["position"] == table["seq_len"]].set_index(["model", "moment"])
    scale = table.set_index(["model", "moment"]).index.map(last["gradient_median"])
    columns = ["gradient_median", "gradient_min", "gradient_max", "reference"]
    return table.assign(
        distance=table["seq_len"] - table["position"], **{c: table[c] / scale for c in columns}
    )


def finding(rows, vanished):
    """Which models no gradient reaches the first token in."""
    first = rows[rows["position"] == 1]
    lost = first.loc[first["gradient_median"] < vanished, "model"].map(style.title_of)
    who = ", ".join(lost) or "no model"
    tokens = rows["seq_len"].iloc[0]
    return f"{rows['moment'].iloc[0].capitalize()}, over {tokens} tokens the gradient vanishes in {who}"


def draw_model(axis, rows, look, with_reference):
    """Median and range over seeds of one model at one moment."""
    axis.plot(rows["distance"], rows["gradient_median"], **style.line(look))
    bounds = rows["gradient_min"], rows["gradient_max"]
    axis.fill_between(rows["distance"], *bounds, color=look["color"], alpha=0.15, lw=0)
    if with_reference and np.isfinite(rows["reference"]).all():
        axis.plot(rows["distance"], rows["reference"], color=look["color"], lw=0.9, ls=":")


if __name__ == "__main__":
    log.run(main, snakemake)
