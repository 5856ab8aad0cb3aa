"""The fairness ledger, from the config and the models that it builds."""

from workflow.seqbench import log
from workflow.seqbench.experiments import Plan
from workflow.seqbench.results.fairness import ledger
from workflow.seqbench.showing import tables


def main(config, rates, csv, parquet, md, html):
    """config: with resolved experiments; rates: tuned learning rates by (model, seq_len)."""
    table = ledger(Plan(config, rates))
    tables.write(table, csv, parquet, md, html, shown=tables.fairness(table))


if __name__ == "__main__":
    log.run(main, snakemake)
