"""The tables of the mechanism, from the recall shards."""

from workflow.seqbench import log, shards, tables
from workflow.seqbench.mechanism import tables as mechanism
from workflow.seqbench.recall.shard import schema

TABLES = {
    "distance": (mechanism.distance, mechanism.distance_for_people),
    "gradient_flow": (mechanism.gradient_flow, mechanism.gradient_flow_for_people),
    "attention": (mechanism.attention, mechanism.attention_for_people),
}


def main(paths, cells, outputs):
    """`outputs[name]` lists the csv, parquet and md path of each table."""
    frame = shards.collect(paths, schema("recall"), cells)
    for name, (make, for_people) in TABLES.items():
        csv, parquet, md = outputs[name]
        table = make(frame)
        tables.write_table(table, csv, parquet)
        tables.write_table(for_people(table), md)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    main(
        snakemake.input.shards,
        snakemake.params.cells,
        {name: snakemake.output.get(name) for name in TABLES},
    )
