"""The tables `ratios` and `scaling`, from the cells of the experiments that time a call."""

from workflow.seqbench import log
from workflow.seqbench.results.comparisons import ratios, scaling
from workflow.seqbench.results.selecting import Run, incomplete
from workflow.seqbench.showing import tables


def main(cells, experiments, margin, ratio_tables, scaling_tables):
    """`ratio_tables` and `scaling_tables` list the csv, parquet and md path of each table."""
    run = Run.of_files(cells)
    parts = {name: incomplete(run.table(f"{name}_cells")) for name in experiments}
    note = "; ".join(f"{name}, {part}" for name, part in parts.items() if part)
    note = note and f"\nIncomplete: {note}.\n"
    for name, table, paths in (
        ("ratios", ratios(run, experiments, margin), ratio_tables),
        ("scaling", scaling(run, experiments), scaling_tables),
    ):
        tables.write(table, *paths, shown=tables.markdown(tables.view(name, table)) + note)


if __name__ == "__main__":
    log.run(main, snakemake)
