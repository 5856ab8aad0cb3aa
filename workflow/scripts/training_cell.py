"""One cell of an experiment that trains a model: its shard, or an error that says what to mend."""

from workflow.seqbench import log
from workflow.seqbench.measuring.training import train_cell
from workflow.seqbench.results import shards
from workflow.seqbench.results.schemas import schema


def main(shard, experiment, model, seq_len, seed, options, settings, code):
    """Run the cell of the model named `model`, built with `options`, and write its shard."""
    cell = {"model": model, "seq_len": int(seq_len), "seed": int(seed)}
    row = train_cell(experiment, cell, options, settings)
    asked = {"model": options, "settings": settings, "code": code}
    shards.write(row, schema("training", experiment), shard, asked)


if __name__ == "__main__":
    log.run(main, snakemake)
