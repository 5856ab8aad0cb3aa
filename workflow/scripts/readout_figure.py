"""The figure of read-outs: what each model takes to solve, with the last position read and with the mean."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

ROWS = style.SPEC["readout"]  # {name: [model that reads the last position, that reads the mean]}
# How the read-outs look: color, marker, how far below the middle of its row.
LAST, MEAN = (style.LSTM, "o", -0.17), (style.TRANSFORMER, "s", 0.17)
FOOTER = (
    "n = {n} seeds, a dot each, bar: median; open triangle: not solved within the budget. One layer that reads"
    " its last position computes the same, causal or not. No mixing: positions and feed-forward alone"
)


def main(cells, mplstyle, png, svg):
    """Draw the cells of the experiment `readout`, one panel per length."""
    cells = pd.read_parquet(cells)
    lengths = dict(list(cells.groupby("seq_len")))
    shape = {"size": (3 + 3.4 * len(lengths), 3.9), "panels": len(lengths), "sharey": True}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as axes:
        for axis, (seq_len, here) in zip(axes, lengths.items(), strict=True):
            for place, models in enumerate(ROWS.values()):
                for model, (color, marker, side) in zip(models, (LAST, MEAN), strict=True):
                    style.runs(axis, place + side, here[here["model"] == model], color, marker)
            style.solving_axis(axis, cells, list(ROWS))
            axis.set_title(f"{seq_len} tokens\n{verdict(here)}")
        for name, (color, marker, _) in (("last position", LAST), ("mean of all", MEAN)):
            axis.plot([], [], marker, color=color, label=f"reads the {name}")
        axis.figure.legend(loc="outside upper right", ncols=2)


def verdict(cells):
    """In how many models each read-out is solved by most seeds, in words."""
    solved = cells.groupby("model")["solved"].mean() > 0.5
    sides = (dict.fromkeys(models) for models in zip(*ROWS.values(), strict=True))
    last, mean = (
        f"{sum(solved.get(model, False) for model in side)} of {len(side)}" for side in sides
    )
    return f"solved: last {last}, mean {mean}"


if __name__ == "__main__":
    log.run(main, snakemake)
