"""The table of what the cells of a run cost."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results.costs import costs
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import tables


def main(cells, csv):
    """Write the costs of the cells in the tables `cells`."""
    frames = [read_table(path) for path in cells]
    tables.write(costs(pd.concat(frames, ignore_index=True)), csv)


if __name__ == "__main__":
    log.run(main, snakemake)
