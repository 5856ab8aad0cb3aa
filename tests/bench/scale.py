"""What ten thousand cells cost: a dry run beside a bare Snakefile's, and their aggregation.

The aims: a dry run at most twice as long as that of a bare Snakefile of two rules with as many jobs;
an aggregation of at most 20 s and 1 GB.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr
from pathlib import Path

import pandas as pd
import yaml

from tests.conftest import BIN, ROOT, SMOKE, Project, shipped
from workflow.seqbench.config import check
from workflow.seqbench.measuring.training import train_cell
from workflow.seqbench.results import shards
from workflow.seqbench.results.schemas import schema
from workflow.seqbench.showing import tables

BARE = """
rule all:
    input:
        expand("results/{{model}}/{{seq_len}}/{{seed}}.txt", model=["a", "b"], seq_len=range(1, 11), seed=range({seeds})),


rule cell:
    output:
        "results/{{model}}/{{seq_len}}/{{seed}}.txt",
    shell:
        "touch {{output}}"
"""


def dry_runs(jobs=10_000, repetitions=2):
    """Seconds of dry runs of as many jobs, the better of some: (bare Snakefile, this project)."""
    seeds = list(range(jobs // 20))
    with tempfile.TemporaryDirectory() as folder:
        bare, project = Path(folder) / "bare", Project.copy(Path(folder) / "project")
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(seeds=len(seeds)))
        grid = {
            "experiments": {
                "recall": {
                    "models": ["lstm", "gru"],  # which have no lengths of their own
                    "seq_lens": list(range(1, 11)),
                    "seeds": seeds,
                }
            },
        }
        (project / "override.yaml").write_text(yaml.safe_dump(grid))
        command = [BIN / "snakemake", "--dry-run", "--cores", "2"]
        ours = [*command, "recall", "--configfile", SMOKE, "override.yaml"]
        taken = [(seconds(command, bare), seconds(ours, project.path)) for _ in range(repetitions)]
    return tuple(min(column) for column in zip(*taken, strict=True))


def seconds(command, folder):
    """Seconds that a command takes in a folder; its output is not shown."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


AGGREGATE = """
import json, resource, sys, time
start = time.perf_counter()
from workflow.scripts import experiment_tables
experiment_tables.main(**json.load(open(sys.argv[1])))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([time.perf_counter() - start, peak]))
"""


def aggregation(count=10_000):
    """Seconds and bytes that the tables of so many shards take, of trainings of 600 steps."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps(grid_of_shards(Path(folder), count)))
        command = [sys.executable, "-c", AGGREGATE, job]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def grid_of_shards(folder, count):
    """Arguments of the script that makes tables of `count` shards, which are written to `folder`."""
    plan = check(shipped(), local=False)
    options, settings = plan.model("recall", "lstm"), plan.settings("recall", "lstm", 25)
    cell = {"model": "lstm", "seq_len": 25, "seed": 0}
    with redirect_stderr(io.StringIO()):
        row = train_cell("recall", cell, options, settings | {"steps": 50})
    row |= {"steps": 600, "train_loss": 12 * row["train_loss"], "code_digest": "0" * 16}
    cells, paths = [], []
    for number in range(count):
        cell = {"model": "lstm", "seq_len": 1 + number // 100, "seed": number % 100}
        cells.append(cell)
        paths.append(f"{folder}/{number}.parquet")
        shards.write(row | cell, schema("training", "recall"), paths[-1], {})
    names = {name: f"{folder}/out.{name}" for name in ("csv", "parquet", "md", "html")}
    names |= {name: f"{folder}/{name}.parquet" for name in ("cells_table", "lists")}
    return (
        {"shards": paths, "experiment": "recall", "kind": "training", "cells": cells}
        | names
        | {"size": count}
    )


def main():
    seconds_taken, peak = aggregation()
    print(f"Aggregation of 10,000 shards: {seconds_taken:.1f} s, {peak / 1e9:.2f} GB\n")
    bare, ours = dry_runs()
    rows = [
        {"Snakefile": "bare, two rules", "seconds": bare, "ratio": 1.0},
        {"Snakefile": "this project's", "seconds": ours, "ratio": ours / bare},
    ]
    print("Dry run of 10,000 cells, the better of two; the aim is a ratio of 2 at most:\n")
    print(tables.markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
