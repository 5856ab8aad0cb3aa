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
    samples of a timing or training losses. Times of several kinds of machine stand one below the
    other in each table (`selecting.read_table` reads the first), with `machine` as a column more.
    """
    timed, swept = kind == "timing", "lr" in cells[0]
    keys = ["model", "seq_len", *(["lr"] if swept else [])]
    frame = collecting.collect(shards, schema(kind, experiment), cells)
    machines = collecting.by_machine(frame) if timed else {"": frame}
    parts = [tables_of(part, kind, keys) for part in machines.values()]
    table, cells, many = (together(frames, machines) for frames in zip(*parts, strict=True))
    cells = cells.assign(cells_asked=size)
    if swept:
        table = summaries.choose_rates(table)
    first = cells.head(len(parts[0][1]))  # cells of the first kind
    shown = tables.timing(table, first) if timed else tables.markdown(tables.view(kind, table))
    if part := selecting.incomplete(first):
        shown += f"\nIncomplete: {part}.\n"
    tables.write(table, csv, parquet, md, html, shown=shown)
    tables.write(cells, cells_table)
    tables.write(many, lists)


def tables_of(frame, kind, keys):
    """Of the cells of one kind of machine: summary, cells, and what each cell has many of."""
    cells = summaries.cells_table(frame, kind)
    many = summaries.unrolled(frame, keys, *LISTS[kind])
    return summaries.summary(frame, cells, kind, keys), cells, many


def together(frames, machines):
    """The frames of these kinds of machine as one; where there are several, `machine` is its first column."""
    if len(frames) == 1:
        return frames[0]
    table = pd.concat(frames, keys=machines, names=["machine", None]).reset_index("machine")
    return table.reset_index(drop=True)


if __name__ == "__main__":
    log.run(main, snakemake)
