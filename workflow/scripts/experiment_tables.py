"""The tables of one experiment, from its shards."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results import collecting, selecting, summaries
from workflow.seqbench.results.schemas import schema
from workflow.seqbench.showing import tables

LISTS = {
    "timing": ("samples_s", "round", "sample_s"),
    "training": ("train_loss", "step", "train_loss"),
}


def main(shards, experiment, kind, cells, size, csv, parquet, md, html, cells_table, lists):
    """Aggregate exactly the shards in `shards`, which must hold exactly `cells` (`collecting`).

    size: how many cells the experiment has, done or not; lists: path of what each cell has many of,
    samples of a timing or training losses. Times are grouped by kind of machine, the one of most
    cells first, whose cells alone are in `cells_table` and `lists`: what is drawn and judged.
    """
    timed, swept = kind == "timing", "lr" in cells[0]
    keys = ["model", "seq_len", *(["lr"] if swept else [])]
    frame = collecting.collect(shards, schema(kind, experiment), cells)
    machines = collecting.by_machine(frame) if timed else {"": frame}
    cells = [summaries.cells_table(part, kind) for part in machines.values()]
    rows = [
        summaries.summary(part, made, kind, keys)
        for part, made in zip(machines.values(), cells, strict=True)
    ]
    table, frame = rows[0], next(iter(machines.values()))
    if len(machines) > 1:
        table = pd.concat(rows, keys=machines, names=["machine", None])
        table = table.reset_index("machine")
    if swept:
        table = summaries.choose_rates(table)
    cells = cells[0].assign(cells_asked=size, machines=len(machines))
    shown = tables.timing(table, cells) if timed else tables.markdown(tables.view(kind, table))
    if part := selecting.incomplete(cells):
        shown += f"\nIncomplete: {part}.\n"
    tables.write(table, csv, parquet, md, html, shown=shown)
    tables.write(cells, cells_table)
    tables.write(summaries.unrolled(frame, keys, *LISTS[kind]), lists)


if __name__ == "__main__":
    log.run(main, snakemake)
