"""A run held against the reference run."""

from pathlib import Path

import yaml

from workflow.seqbench import log, tables
from workflow.seqbench.compare import compare, for_people


def main(reference, claims, csv, parquet, md):
    """Compare the run that `csv` belongs to with the folder `reference`, by the margin in `claims`."""
    run = Path(csv).parents[1]
    margin = yaml.safe_load(Path(claims).read_text())["thresholds"]["margin"]
    found = compare(run, reference, margin)
    tables.write_table(found, csv, parquet)
    Path(md).write_text(for_people(found, run, reference))


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    out, reference = snakemake.output, Path("results/reference") / snakemake.params.device
    main(reference, snakemake.input.claims, out.csv, out.parquet, out.md)
