"""The fairness ledger, from the config and the models that it builds."""

from workflow.seqbench import log, tables
from workflow.seqbench.fairness import for_people, ledger


def main(config, csv, parquet, md):
    """`config` holds `models` and the experiments."""
    table = ledger(config)
    tables.write_table(table, csv, parquet)
    tables.write_table(for_people(table), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    out = snakemake.output
    main(snakemake.params.config, out.csv, out.parquet, out.md)
