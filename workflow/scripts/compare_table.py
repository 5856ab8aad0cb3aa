"""This run held against the published one."""

from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.judging.compare import as_markdown, compare
from workflow.seqbench.showing import tables


def main(device, csv, parquet, md, html):
    """Compare the run that `csv` belongs to with the published one of the device."""
    run, reference = Path(csv).parents[1], Path("results/reference", device)
    table = compare(run, reference)
    tables.write(table, csv, parquet, md, html, shown=as_markdown(table, run, reference))


if __name__ == "__main__":
    log.run(main, snakemake)
