"""The figure of the audit, from its table and the cells behind it."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.audit.figure import draw


def main(table, timing, trainings, style, png, svg):
    """Draw the table `audit`; `trainings` are the cells of the experiments that train."""
    cells = pd.concat([pd.read_parquet(path) for path in trainings], ignore_index=True)
    draw(pd.read_parquet(table), pd.read_parquet(timing), cells, style, png, svg)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.table, given.timing, given.trainings, given.style, out.png, out.svg)
