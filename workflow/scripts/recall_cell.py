"""One cell of an experiment that trains a model: its shard, or an error that says what to mend."""

from workflow.seqbench import log, shards
from workflow.seqbench.recall.shard import schema
from workflow.seqbench.recall.train import train_cell


def main(path, experiment, cell, model, settings):
    """Run the cell and write its shard to `path`."""
    row = train_cell(experiment, cell, model, settings)
    shards.write(row, schema(experiment), path, {"model": model, "settings": settings})


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    job, params = snakemake.wildcards, snakemake.params
    main(snakemake.output[0], job.experiment, shards.cell_of(job), params.model, params.settings)
