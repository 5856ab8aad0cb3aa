"""What was expected of the run and what it shows, from its tables."""

import pandas as pd

from workflow.seqbench import log, tables
from workflow.seqbench.expectations import Tables, for_people, table


def main(paths, csv, parquet, md):
    """`paths` maps the names of `expectations.Tables` to Parquet files."""
    found = table(Tables(**{name: pd.read_parquet(path) for name, path in paths.items()}))
    tables.write_table(found, csv, parquet)
    tables.write_table(for_people(found), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main({name: given[name] for name in Tables._fields}, out.csv, out.parquet, out.md)
