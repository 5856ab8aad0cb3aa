"""What a run came to, written at its end, also where it failed: cells, versions, machines, seconds."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

MADE_ON = ["node", "device_name", "cpu_cores", "kernel", "python", "torch", "git_commit"]
SECONDS = ["cell_s", "queued_s"]


def write(path, plan, experiments, job_seconds, **about):
    """Write the manifest of a run that was asked for `experiments`; the shards that are lacking.

    job_seconds: what Snakemake noted, {shard: seconds of its job}; about: more to say of the run.
    """
    parts, frames, lacking = {}, [], []
    for experiment in experiments:
        wanted = {
            plan.shard(experiment, c): plan.done(experiment, c) for c in plan.grid(experiment)
        }
        done = [shard for shard, is_done in wanted.items() if is_done]
        lacking += (absent := [shard for shard, is_done in wanted.items() if not is_done])
        failed = [shard for shard in absent if Path(log_of(plan, shard)).is_file()]
        columns = ["status", *MADE_ON, *SECONDS]
        rows = [pq.read_table(s, columns=columns, partitioning=None).to_pydict() for s in done]
        frame = pd.DataFrame(rows, columns=columns).map(lambda values: values[0])
        jobs = sum(job_seconds.get(shard, 0) for shard in done)
        cells, queued = frame[SECONDS].sum()
        frames.append(frame)
        parts[experiment] = {
            "cells": {"expected": len(wanted), "done": len(done), "failed": len(failed)},
            "status": Counter(frame["status"]),
            "lacking": absent,
            "seconds": {
                "training" if plan.trains(experiment) else "measuring": round(cells, 1),
                "waiting": round(queued, 1),
                "starting and importing": round(max(0, jobs - cells - queued), 1),
            },
        }
    made = pd.concat(frames)[MADE_ON].drop_duplicates().to_dict("records") if frames else []
    manifest = about | {"experiments": parts, "made on": made}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(manifest, indent=2) + "\n")
    return lacking


def log_of(plan, shard):
    """The log of a shard's job."""
    name = Path(shard).relative_to(plan.results).with_suffix(".log")
    return f"{plan.results}/logs/{name}"


def summary(plan, lacking, again):
    """In words: which cells a run lacks, the last line of each one's log, and how to go on."""
    lines = [f"{len(lacking)} cells are not done; tables and figures that need them are not made:"]
    for shard in lacking[:10]:
        log = Path(log_of(plan, shard))
        text = log.read_text(errors="replace").split("\n") if log.is_file() else []
        said = next((line for line in reversed(text) if line.strip()), "not begun")
        lines.append(f"  {shard}: {said[:300]}\n    log: {log}")
    lines += ["  ..."] * (len(lacking) > 10)
    lines += [f"Try these again, and these only: {again}"]
    return "\n".join(lines)
