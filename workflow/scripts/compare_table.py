"""This run held against the published one."""

from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.judging.compare import as_markdown, compare
from workflow.seqbench.showing import tables


def main(reference, csv, parquet, md):
    """Compare the run that `csv` belongs to with the folder `reference`."""
    run = Path(csv).parents[1]
    table = compare(run, reference)
    tables.write(table, csv, parquet, md, shown=as_markdown(table, run, reference))


if __name__ == "__main__":
    log.run(main, snakemake)
