"""The README's first figure, from the timing tables."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.timing.figure import draw


def main(table, cells, style, png, svg):
    """Draw the tables' figure as `png` and `svg`."""
    draw(pd.read_parquet(table), pd.read_parquet(cells), style, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.table, given.cells, given.style, out.png, out.svg)
