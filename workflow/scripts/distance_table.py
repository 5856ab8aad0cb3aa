"""The table `distance`: who solves the task at which distance, in the order of the distances."""

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import tables


def main(table, csv, parquet, md, html):
    """The columns of the table `recall` that speak of the distance."""
    distance = read_table(table).sort_values("seq_len", kind="stable", ignore_index=True)
    keys = ["model", "architecture", "seq_len", "n", "budget_steps"]
    kept = [c for c in distance if c in keys or c.startswith(("solved", "steps_"))]
    tables.write(distance[kept], csv, parquet, md, html, shown=tables.view("distance", distance))


if __name__ == "__main__":
    log.run(main, snakemake)
