"""The learning rates that the sweeps chose, in one table for `lr: tuned`."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import tables

COLUMNS = ["model", "seq_len", "lr", "solved", "n", "steps_to_solve_median", "budget_steps"]


def main(sweeps, rates):
    """Write the chosen rows of the tables `sweeps` to the file `rates`, with the column `chosen`."""
    table = pd.concat([read_table(path) for path in sweeps], ignore_index=True)
    table = table[table["chosen"]].sort_values(["model", "seq_len"])
    tables.write(table[[*COLUMNS, "chosen"]], rates)


if __name__ == "__main__":
    log.run(main, snakemake)
