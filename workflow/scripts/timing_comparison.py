"""The tables that judge times: scaling and ratios, from the timing cells."""

import pandas as pd
import yaml

from workflow.seqbench import log, tables
from workflow.seqbench.timing import comparison


def main(claims, cells, scaling, ratios):
    """Judge by the margin in `claims` (claims.yaml); `scaling` and `ratios` list the csv, parquet and md path of each table."""
    frame = pd.read_parquet(cells)
    with open(claims) as file:
        margin = yaml.safe_load(file)["thresholds"]["margin"]
    for paths, table, for_people in (
        (scaling, comparison.scaling(frame), comparison.scaling_for_people),
        (ratios, comparison.ratios(frame, margin), comparison.ratios_for_people),
    ):
        csv, parquet, md = paths
        tables.write_table(table, csv, parquet)
        tables.write_table(for_people(table), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.claims, given.cells, out.scaling, out.ratios)
