"""The tables `ratios` and `scaling`, from the cells of the experiments that time a call."""

from workflow.seqbench import log
from workflow.seqbench.results.comparisons import ratios, scaling
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables


def main(cells, experiments, margin, ratio_tables, scaling_tables):
    """`ratio_tables` and `scaling_tables` list the csv, parquet and md path of each table."""
    run = Run.of_files(cells)
    ratio = ratios(run, experiments, margin)
    growth = scaling(run, experiments)
    tables.write(ratio, *ratio_tables, shown=tables.view("ratios", ratio))
    tables.write(growth, *scaling_tables, shown=tables.view("scaling", growth))


if __name__ == "__main__":
    log.run(main, snakemake)
