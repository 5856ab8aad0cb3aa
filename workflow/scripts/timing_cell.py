"""One cell of an experiment that times a call: its shard, or an error that says what to mend."""

from workflow.seqbench import log, shards
from workflow.seqbench.timing.measure import measure_cell
from workflow.seqbench.timing.shard import schema


def main(path, experiment, cell, model, reference, settings):
    """Run the cell and write its shard to `path`."""
    row = measure_cell(experiment, cell, model, reference, settings)
    provenance = {"model": model, "reference": reference, "settings": settings}
    shards.write(row, schema(experiment), path, provenance)


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    job, params = snakemake.wildcards, snakemake.params
    main(
        snakemake.output[0],
        job.experiment,
        shards.cell_of(job),
        params.model,
        params.reference,
        params.settings,
    )
