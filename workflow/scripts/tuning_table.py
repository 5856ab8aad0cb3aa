"""The table of the tuning: one row per (model, seq_len, learning rate), the chosen ones marked."""

import pandas as pd

from workflow.seqbench import log, shards, tables
from workflow.seqbench.recall.shard import schema
from workflow.seqbench.recall.tuning import compare, for_people


def main(paths, cells, learning_rates, csv, parquet, md):
    """`paths` are the shards of `cells` at the first rate, then at the second, and so on."""
    n = len(cells)
    frame = pd.concat(
        [
            shards.collect(paths[i * n : (i + 1) * n], schema("tuning"), cells).assign(lr=lr)
            for i, lr in enumerate(learning_rates)
        ],
        ignore_index=True,
    )
    summary = compare(frame)
    tables.write_table(summary, csv, parquet)
    tables.write_table(for_people(summary), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.params, snakemake.output
    main(snakemake.input.shards, given.cells, given.learning_rates, out.csv, out.parquet, out.md)
