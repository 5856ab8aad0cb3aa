"""The tables `gradient_flow` and `attention`, from the shards of an experiment that trains."""

from workflow.seqbench import log
from workflow.seqbench.results import collecting, positions
from workflow.seqbench.results.schemas import schema
from workflow.seqbench.showing import tables


def main(shards, experiment, cells, gradient_flow, attention):
    """`gradient_flow` and `attention` list the csv, parquet and md path of each table."""
    frame = collecting.collect(shards, schema("training", experiment), cells)
    flow, weights = positions.gradient_flow(frame), positions.attention(frame)
    tables.write(flow, *gradient_flow, shown=tables.gradient_flow(flow))
    tables.write(weights, *attention, shown=tables.attention(weights))


if __name__ == "__main__":
    log.run(main, snakemake)
