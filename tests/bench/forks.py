"""Cells in forked processes beside cells in new ones: their times, their ratio, what a cell takes.

Pairs of cells, a forked one and a new one in random order. The aims: no difference in times and
ratios, nor in memory. What a cell takes is that of the call alone;
what of a run's timing phase measures, Snakemake's jobs included, is in its manifest.json (60 % is the aim).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bench.pairs import CELL, MODEL, PLAN, REFERENCE, ROOT, settings_of
from workflow.seqbench.measuring import fork_server
from workflow.seqbench.results.statistics import log_ratio, median_interval
from workflow.seqbench.showing import tables

PAIRS = 12


def forked(job, path):
    """(row, wall seconds) of a cell in a child of the server."""
    start = time.perf_counter()
    arguments = {"job": job, "path": str(path)}
    assert fork_server.call(
        "tests.bench.forks:write_cell", arguments, path.with_suffix(".log"), 300
    )
    return json.loads(path.read_text()), time.perf_counter() - start


def write_cell(job, path):
    """Measure a cell and write its row; runs in the child."""
    from workflow.seqbench.measuring.timing import measure_cell

    Path(path).write_text(json.dumps(measure_cell("timing", *job)))


def new(job, path):
    """(row, wall seconds) of a cell in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-c", CELL, json.dumps(job)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout), time.perf_counter() - start


def compare(seq_len, pairs=PAIRS):
    """A row of the table: forked over new."""
    rng, cells = np.random.default_rng(0), {forked: [], new: []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(pairs):
            entries = [PLAN.model("timing", name) for name in (MODEL, REFERENCE)]
            cell = {"model": MODEL, "seq_len": seq_len, "seed": seed}
            job = [cell, entries[0], {"name": REFERENCE, "entry": entries[1]}, settings_of()]
            for kind in rng.permutation([forked, new]):
                cells[kind].append(kind(job, Path(folder) / f"{seed}.json"))
    rows = {kind: pd.DataFrame([row for row, _ in found]) for kind, found in cells.items()}
    result = {"tokens": seq_len}
    for column in ("time_s", "reference_time_s", "cold_s", "call_ram_bytes"):
        value, low, high, _ = log_ratio(rows[forked][column], rows[new][column])
        result[f"{column}, forked / new"] = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    ratios = [rows[kind]["time_s"] / rows[kind]["reference_time_s"] for kind in (forked, new)]
    value, low, high, _ = log_ratio(*ratios)
    result["ratio, forked / new"] = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    for kind in (forked, new):
        wall = median_interval([seconds for _, seconds in cells[kind]])[0]
        measured = (rows[kind]["warmup_s"] + rows[kind]["sampling_s"]).median()
        result[f"seconds, {kind.__name__}"] = f"{wall:.2f}, {measured / wall:.0%} measuring"
    return result


def main():
    rows = [compare(seq_len) for seq_len in (100, 1000)]
    print(f"{MODEL} relative to {REFERENCE}, {PAIRS} pairs:\n")
    print(tables.markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
