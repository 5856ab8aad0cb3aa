"""What a run came to, written at its end, also where it failed: cells, versions, machines, seconds."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pandas as pd

from workflow.seqbench.log import again
from workflow.seqbench.results.collecting import intact
from workflow.seqbench.showing.files import whole

MADE_ON = ["node", "device_name", "cpu_cores", "kernel", "python", "torch", "git_commit"]
COLUMNS = ["status", "cell_s", "queued_s", "started_at", *MADE_ON]
CALL = ["began", "seconds", "outcome", "cells made"]
SAMPLING = ["warmup_s", "sampling_s"]  # of timing cells: what is done to measure, and nothing else


def write(path, plan, jobs, **about):
    """Write the manifest of a run; {shard: log, or "" where it was not begun} of the cells that it lacks.

    jobs: (wildcards, shard, log, seconds that its job took or None) of each cell that was asked
    for; about: more to say of the run. `calls` in it are the calls of Snakemake in this folder, this one last.
    """
    table = pd.DataFrame(jobs, columns=["cell", "shard", "log", "job_s"])
    table["experiment"] = [cell["experiment"] for cell in table["cell"]]
    rows = [
        plan.done(**cell) and row_of(shard, COLUMNS + SAMPLING * (not plan.trains(name)))
        for (cell, shard, *_), name in zip(jobs, table["experiment"], strict=True)
    ]
    table["done"] = [bool(row) for row in rows]
    began = moment(about["began"]).timestamp()  # a log may be an earlier run's
    begun = [Path(log).is_file() and Path(log).stat().st_mtime >= began for log in table["log"]]
    table["log"] = table["log"].where(begun, "")
    table = table.join(pd.DataFrame([row or {} for row in rows], columns=COLUMNS + SAMPLING))
    parts = {}
    for experiment, cells in table.groupby("experiment"):
        done, lacking = cells[cells["done"]], cells[~cells["done"]]
        seconds = done[["cell_s", "queued_s", "job_s"]].sum().astype(float).round(1)
        parts[experiment] = {
            "cells": {
                "expected": len(cells),
                "done": len(done),
                "failed": int((lacking["log"] != "").sum()),
            },
            "status": Counter(done["status"]),
            "lacking": lacking["shard"].tolist(),
            "seconds": {
                "training" if plan.trains(experiment) else "measuring": seconds["cell_s"],
                "waiting": seconds["queued_s"],
                "starting, importing, writing": seconds["job_s"] - seconds[:2].sum(),
            },
        }
    made = table.loc[table["done"], MADE_ON].drop_duplicates().to_dict("records")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    timed = sampling(table[table["done"] & table["sampling_s"].notna()], about["began"])
    made_now = int((pd.to_datetime(table["started_at"], utc=True) >= moment(about["began"])).sum())
    about |= {"cells made": made_now}
    calls = [*calls_before(path), {key: about.get(key) for key in CALL}]
    manifest = about | {"experiments": parts, "timing": timed, "made on": made, "calls": calls}
    with whole(path) as fresh:
        fresh.write_text(json.dumps(manifest, indent=2) + "\n")
    return dict(table.loc[~table["done"], ["shard", "log"]].to_numpy().tolist())


def calls_before(path):
    """The calls that the manifest of this folder tells of so far; none where there is none to read."""
    try:
        return [
            {key: call[key] for key in CALL} for call in json.loads(Path(path).read_text())["calls"]
        ]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def row_of(shard, columns):
    """These columns of a shard; None where it is not as it was written."""
    table = intact(shard, columns)
    return None if table is None else table.to_pylist()[0]


def sampling(cells, began):
    """Seconds from the first timing cell of this run to the last, and how many of them were sampling.

    Nothing where nodes of a cluster worked side by side, or there is one cell only.
    """
    started = pd.to_datetime(cells["started_at"], utc=True).sort_values()
    started = started[started >= moment(began)]
    seconds = (started.max() - started.min()).total_seconds()
    if not seconds > 0 or cells["node"].nunique() > 1:  # NaN where there is no cell
        return {}
    sampled = round(float(cells.loc[started.index[:-1], SAMPLING].sum().sum()), 1)
    return {
        "seconds": seconds,
        "warm-up and samples": sampled,
        "share": round(sampled / seconds, 3),
    }


def moment(began):
    """The time at which a run of this machine began, by its manifest (there in local time)."""
    return pd.Timestamp(datetime.fromisoformat(began).astimezone())


def summary(lacking, command):
    """In words: which cells a run lacks, the last line of each one's log, and how to go on.

    lacking: {shard: log}; command: that of the run, which stands there if they are too many to name.
    """
    cells = "1 cell is" if len(lacking) == 1 else f"{len(lacking)} cells are"
    lines = [f"{cells} not done; tables and figures that need such a cell are not made:"]
    for shard, log in [*lacking.items()][:10]:
        text = Path(log).read_text(errors="replace").strip() if log else ""
        said = text.splitlines()[-1][:300] if text else "not begun"
        if Path(shard).is_file():
            said = "damaged, or made by another config or other code"
        lines.append(f"  {shard}: {said}")
        lines += [f"    log: {log}"] if log else []
    lines += ["  ..."] * (len(lacking) > 10)
    command = again(*lacking) if len(lacking) <= 20 else command
    lines.append(f"Try these again, and these only: {command}")
    lines.append("Tables of the cells that are done, marked as such: --config incomplete=True")
    return "\n".join(lines)
