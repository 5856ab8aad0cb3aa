"""The README's second figure, from the recall tables."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.recall.figure import draw


def main(table, cells, curves, style, png, svg):
    """Draw the tables' figure as `png` and `svg`."""
    draw(pd.read_parquet(table), pd.read_parquet(cells), pd.read_parquet(curves), style, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.table, given.cells, given.curves, given.style, out.png, out.svg)
