"""One cell of an experiment that times a call: its shard, or an error that says what to mend."""

from workflow.seqbench.measuring import supervised


def main(
    shard,
    experiment,
    model,
    seq_len,
    seed,
    options,
    reference,
    settings,
    code,
    ended=None,
    attempts_left=0,
):
    """Measure the cell of the model named `model`, built with `options`, and write its shard.

    code: digest of the code that was asked for. ended: status and error of a cell that was ended
    from outside; its shard then says so, and nothing is measured. attempts_left: how often the job
    may ask for more memory.
    """
    # Here, as these load torch: this function runs in the cell's process, the job only watches.
    from workflow.seqbench.measuring.code import load_code

    load_code(code, "timing", settings, options, reference and reference["entry"])

    from workflow.seqbench.measuring.timing import measure_cell
    from workflow.seqbench.results import shards
    from workflow.seqbench.results.schemas import schema

    cell = {"model": model, "seq_len": int(seq_len), "seed": int(seed)}
    row = measure_cell(experiment, cell, options, reference, settings, ended)
    supervised.ask_for_more(row, attempts_left)
    asked = {"model": options, "reference": reference, "settings": settings, "code": code}
    shards.write(row | {"code_digest": code}, schema("timing", experiment), shard, asked)


if __name__ == "__main__":
    supervised.run(main, "workflow.scripts.timing_cell", snakemake)
