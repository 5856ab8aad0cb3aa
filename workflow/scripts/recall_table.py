"""The tables of an experiment that trains a model, from its shards."""

from workflow.seqbench import log, shards, tables
from workflow.seqbench.recall import table
from workflow.seqbench.recall.shard import schema


def main(paths, experiment, cells, csv, parquet, md, cells_path, curves):
    """Aggregate exactly the shards in `paths`, which must hold exactly `cells`."""
    frame = shards.collect(paths, schema(experiment), cells)
    summary = table.table(frame)
    tables.write_table(summary, csv, parquet)
    tables.write_table(table.for_people(summary), md)
    tables.write_table(tables.scalars(frame), cells_path)
    tables.write_table(table.curves(frame), curves)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    out = snakemake.output
    main(
        snakemake.input.shards,
        snakemake.wildcards.experiment,
        snakemake.params.cells,
        out.csv,
        out.parquet,
        out.md,
        out.cells,
        out.curves,
    )
