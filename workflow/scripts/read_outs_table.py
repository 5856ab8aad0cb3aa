"""The table `read_outs`: each model with its last position read and with the mean of all."""

from pathlib import Path

import pandas as pd
import yaml

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import tables

READ = ("last", "mean")


def main(experiments, spec, csv, parquet, md, html):
    """The rows of the tables `recall` and `readout` that figures.yaml (`spec`) pairs, by length."""
    rows = pd.concat(read_table(path).assign(experiment=Path(path).stem) for path in experiments)
    pairs = yaml.safe_load(Path(spec).read_text())["readout"]
    table = pd.concat(
        rows[rows["model"] == model].assign(name=name, read=read)
        for name, models in pairs.items()
        for model, read in zip(models, READ, strict=True)
    ).sort_values("seq_len", kind="stable", ignore_index=True)
    keys = ["name", "read", "experiment", "model", "architecture", "seq_len", "n", "budget_steps"]
    table = table[[*keys, *(c for c in table if c.startswith(("solved", "steps_")))]]
    tables.write(table, csv, parquet, md, html, shown=tables.view("read_outs", table))


if __name__ == "__main__":
    log.run(main, snakemake)
