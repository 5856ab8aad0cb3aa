"""One cell of an experiment that times a call: its shard, or an error that says what to mend."""

from workflow.seqbench import log
from workflow.seqbench.measuring.timing import measure_cell
from workflow.seqbench.results import shards
from workflow.seqbench.results.schemas import schema


def main(shard, experiment, model, seq_len, seed, options, reference, settings, code):
    """Run the cell of the model named `model`, built with `options`, and write its shard."""
    cell = {"model": model, "seq_len": int(seq_len), "seed": int(seed)}
    row = measure_cell(experiment, cell, options, reference, settings)
    asked = {"model": options, "reference": reference, "settings": settings, "code": code}
    shards.write(row, schema("timing", experiment), shard, asked)


if __name__ == "__main__":
    log.run(main, snakemake)
