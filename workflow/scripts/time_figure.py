"""A figure of what a call costs against sequence length, from a timing experiment's tables."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.timing.figure import draw


def main(table, cells, style, panels, call, length, png, svg):
    """Draw the tables' figure as `png` and `svg`."""
    tables = pd.read_parquet(table), pd.read_parquet(cells)
    draw(*tables, style, panels, call, length, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, params, out = snakemake.input, snakemake.params, snakemake.output
    main(
        given.table,
        given.cells,
        given.style,
        params.panels,
        params.call,
        params.length,
        out.png,
        out.svg,
    )
