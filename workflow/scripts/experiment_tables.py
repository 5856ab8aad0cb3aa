"""The tables of one experiment, from its shards."""

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
    samples of a timing or training losses.
    """
    frame = collecting.collect(shards, schema(kind, experiment), cells)
    swept = "lr" in cells[0]
    keys = ["model", "seq_len", *(["lr"] if swept else [])]
    cells = summaries.cells_table(frame, kind).assign(cells_asked=size)
    table = summaries.summary(frame, cells, kind, keys)
    if swept:
        table = summaries.choose_rates(table)
    timed = kind == "timing"
    shown = tables.timing(table, cells) if timed else tables.markdown(tables.view(kind, table))
    if part := selecting.incomplete(cells):
        shown += f"\nIncomplete: {part}.\n"
    tables.write(table, csv, parquet, md, html, shown=shown)
    tables.write(cells, cells_table)
    tables.write(summaries.unrolled(frame, keys, *LISTS[kind]), lists)


if __name__ == "__main__":
    log.run(main, snakemake)
