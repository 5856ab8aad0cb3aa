"""The verdicts on the original's claims, from the run's tables and the stated rules."""

import pandas as pd
import yaml

from workflow.seqbench import log, tables
from workflow.seqbench.rules import Tables
from workflow.seqbench.verdicts import for_people, judge


def main(claims, paths, csv, parquet, md):
    """`paths` maps the names of `verdicts.Tables` to Parquet files; `claims` is claims.yaml."""
    with open(claims) as file:
        rules = yaml.safe_load(file)
    verdicts = judge(rules, Tables(**{name: pd.read_parquet(path) for name, path in paths.items()}))
    tables.write_table(verdicts, csv, parquet)
    tables.write_table(for_people(verdicts), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(given.claims, {name: given[name] for name in Tables._fields}, out.csv, out.parquet, out.md)
