"""This run held against another one, the published one unless the config names it."""

from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.judging.compare import as_markdown, compare
from workflow.seqbench.showing import tables


def main(against, csv, parquet, md, html):
    """Compare the run that `csv` belongs to with the one in the folder `against`."""
    run = Path(csv).parents[1]
    table = compare(run, against)
    tables.write(table, csv, parquet, md, html, shown=as_markdown(table, run, against))


if __name__ == "__main__":
    log.run(main, snakemake)
