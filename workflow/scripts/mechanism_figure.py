"""One figure of the mechanism, from its table."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.mechanism import figures


def main(name, table, style, png, svg):
    """Draw the figure `name` (distance, gradient_flow or attention) as `png` and `svg`."""
    draw = getattr(figures, f"draw_{name}")
    draw(pd.read_parquet(table), style, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(snakemake.wildcards.figure, given.table, given.style, out.png, out.svg)
