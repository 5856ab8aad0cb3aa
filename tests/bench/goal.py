"""How long until the ratio of the matched pair at 1,000 tokens is known to 2 %: this project, and pyperf.

Both add processes until the half-width of the ratio's 95 % interval over processes is below the aim,
or MOST processes are reached. pyperf times the two models in processes of their own and in turns
(its --rigorous practice of many processes); its ratio is that of the processes' means.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyperf

from tests.bench.pairs import MODEL, PLAN, REFERENCE, ROOT, half, settings_of
from workflow.seqbench.measuring import sampling
from workflow.seqbench.showing import tables

SEQ_LEN, AIM, FEWEST, MOST = 1000, 0.02, 4, 24

SCRIPT = """
import pyperf, sys, yaml
runner = pyperf.Runner(processes=1)
runner.argparser.add_argument("--model")
runner.argparser.add_argument("--width", type=int)
model = runner.parse_args().model
def add_model(command, arguments):
    command.extend(["--model", arguments.model])
runner._add_cmdline_args = add_model
import torch
torch.set_num_threads(1)
from tests.bench.pairs import PLAN, settings_of
from workflow.seqbench.workloads import forward
call = forward.prepare(PLAN.model("timing", model), settings_of(), {seq_len}, "cpu").call
runner.bench_func(model, call)
"""


def ours(seed, folder):
    """Log ratio of a process of this project."""
    from tests.bench.forks import forked

    entries = [PLAN.model("timing", name) for name in (MODEL, REFERENCE)]
    cell = {"model": MODEL, "seq_len": SEQ_LEN, "seed": seed}
    job = [cell, entries[0], {"name": REFERENCE, "entry": entries[1]}, settings_of()]
    row, _ = forked(job, folder / f"{seed}.json")
    return np.mean(sampling.log_ratios(row["samples_s"], row["reference_samples_s"]))


def pyperfs(seed, folder):
    """Log ratio of a process of pyperf for each of the two models."""
    script, means = folder / "script.py", []
    script.write_text(SCRIPT.format(seq_len=SEQ_LEN))
    for model in (MODEL, REFERENCE):
        path = folder / f"{model}{seed}.json"
        command = [sys.executable, script, "--quiet", "--model", model, "--output", path]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        means.append(pyperf.Benchmark.load(str(path)).mean())
    return np.log(means[0] / means[1])


def until_known(process):
    """A row of the table: processes, half-width and wall seconds when the aim is reached, or not."""
    start, ratios = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        while len(ratios) < MOST:
            ratios.append(process(len(ratios), Path(folder)))
            width = float(half(ratios, "{:.4f}")) if len(ratios) >= FEWEST else np.inf
            if width <= AIM:
                break
    return {
        "by": {ours: "this project", pyperfs: "pyperf"}[process],
        "ratio": np.exp(np.mean(ratios)),
        "half-width": f"{width:.1%}",
        "processes": len(ratios),
        "seconds": time.perf_counter() - start,
        "aim reached": width <= AIM,
    }


def main():
    print(tables.markdown(pd.DataFrame([until_known(process) for process in (ours, pyperfs)])))


if __name__ == "__main__":
    main()
