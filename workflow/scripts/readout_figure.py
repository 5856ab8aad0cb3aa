"""The figure of read-outs: what each model takes to solve, with the last position read and with the mean."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import Selection, read_table
from workflow.seqbench.showing import style

PAIRS = style.SPEC["readout"]  # {name: [model that reads the last position, that reads the mean]}
ROWS = [model for pair in PAIRS.values() for model in pair]


def main(cells, mplstyle, png, svg):
    """Draw the cells of the experiments `readout` and `recall`, one panel per length."""
    cells = pd.concat(map(read_table, cells), ignore_index=True)
    cells = cells[cells["model"].isin(ROWS)]
    lengths, looks = dict(list(cells.groupby("seq_len"))), style.looks(cells)
    names = [f"{name}{read}" for name in PAIRS for read in (": last", ": mean")]
    shape = {"size": (2.4 + 2.4 * len(lengths), 4.6), "panels": len(lengths), "sharey": True}
    with style.drawing(mplstyle, cells, "readout", png, svg, **shape) as axes:
        for axis, (seq_len, here) in zip(axes, lengths.items(), strict=True):
            for place, model in enumerate(ROWS):
                if model in looks:
                    style.runs(axis, place, here[here["model"] == model], looks[model])
            style.solving_axis(axis, cells)
            style.row_names(axis, names)
            for place in range(2, len(ROWS), 2):
                axis.axhline(place - 0.5, color="0.9", lw=0.8, zorder=0)
            last, mean = solvers(here)
            axis.set_title(f"{seq_len} tokens\nlast {last}, mean {mean}")
        headline = (
            f"Over {max(lengths)} tokens, {last} models recall the first one in most runs if their"
        )
        style.headline(axes[0], f"{headline} last position is read, {mean} if the mean of all is")


def solvers(cells):
    """In how many models most runs solve it with the last position read, and with the mean: "3 of 4"."""
    selections = [Selection(*of_model) for of_model in cells.groupby("model")]
    solved = {s.model for s in selections if measures.solved_share(s).value > 0.5}
    sides = zip(*PAIRS.values(), strict=True)
    return [f"{sum(model in solved for model in side)} of {len(side)}" for side in sides]


if __name__ == "__main__":
    log.run(main, snakemake)
