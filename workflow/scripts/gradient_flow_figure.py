"""The figure of the gradient at each position, before, during and after training."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.judging.statements import option
from workflow.seqbench.showing import style
from workflow.seqbench.showing.text import digits

FOOTER = (
    "n = {n} seeds, line: median, band: range; the first token is to be recalled; dotted: what the LSTM's"
    " initial forget gate alone would leave, mean of f^distance"
)


def main(table, cells, claims, mplstyle, png, svg):
    """Draw the table `gradient_flow` at the longest length, one panel per moment, log scale.

    Gradients are relative to that of the last position; the claim on vanishing gradients says below
    which share of it the first token cannot be learned.
    """
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    vanished = option(claims, "vanished")
    longest = table["seq_len"].max()
    table = relative(table[table["seq_len"] == longest])
    moments = dict(list(table.groupby("moment", sort=False)))
    shape = {"size": (3.6 * len(moments) + 1, 4.2), "panels": len(moments), "sharey": True}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as axes:
        style.headline(axes[0], finding(next(iter(moments.values())), vanished))
        for axis, (moment, rows) in zip(axes, moments.items(), strict=True):
            for _, of_model, look in style.models(rows):
                style.band(axis, of_model, "distance", "gradient", look)
                axis.plot("distance", "reference", data=of_model, lw=0.9, ls=":", c=look["color"])
            axis.axhline(vanished, **style.DASHED)
            axis.set(yscale="log", xlim=(0, longest - 1), title=moment.capitalize())
            axis.set(xlabel="distance from the end (tokens)")
        note = "the verdict's threshold, " + digits(vanished).replace("e-0", "e-")
        style.note(axes[0], note, (longest, vanished), (-3, 3), ha="right")
        axes[0].set_ylabel("gradient, relative to the last token's")
        for axis, rows in zip(axes, moments.values(), strict=True):  # when all heights are known
            first = rows[rows["position"] == 1].set_index("model")["gradient_median"]
            ends = [
                (style.title_of(model), longest - 1, first[model], look["color"])
                for model, look in style.looks(rows).items()
            ]
            style.label_ends(axis, ends, size=8)


def relative(table):
    """The table with distances from the end, gradients over the median of the last position's.

    The reference, which is of the initial weights, is left before training alone.
    """
    last = table[table["position"] == table["seq_len"]].set_index(["model", "moment"])
    scale = table.set_index(["model", "moment"]).index.map(last["gradient_median"])
    columns = ["gradient_median", "gradient_min", "gradient_max", "reference"]
    table = table.assign(**{column: table[column] / scale for column in columns})
    table["reference"] = table["reference"].where(table["moment"] == table["moment"].iloc[0])
    return table.assign(distance=table["seq_len"] - table["position"])


def finding(rows, vanished):
    """Which models no gradient reaches the first token in."""
    lost = rows.loc[(rows["position"] == 1) & (rows["gradient_median"] < vanished), "model"]
    who = ", ".join(map(style.title_of, lost)) or "no model"
    tokens = rows["seq_len"].iloc[0]
    return f"{rows['moment'].iloc[0].capitalize()}, over {tokens} tokens the gradient vanishes in {who}"


if __name__ == "__main__":
    log.run(main, snakemake)
