"""The figure of the tuning, from its table."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.recall.tuning import draw


def main(table, style, png, svg):
    """Draw the table `tuning` as `png` and `svg`."""
    draw(pd.read_parquet(table), style, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.table, given.style, out.png, out.svg)
