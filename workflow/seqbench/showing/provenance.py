"""What a published run was made on and what it cost, by its manifest and what every cell carries."""

import json
from pathlib import Path

import pandas as pd

from workflow.seqbench.results.costs import RUNS, cells_of, costs, expected, shipped
from workflow.seqbench.results.manifest import moment

CELL = ["experiment", "model", "seq_len", "seed"]
MACHINE = ["device_name", "cpu_cores", "threads", "torch"]
MEASURED = "as measured"


def summarize(cells):
    """One row an experiment from {experiment: its cells table}, and one for all of them."""
    rows = [row_of(experiment, frame) for experiment, frame in cells.items()]
    rows.append(row_of("all", pd.concat(cells.values(), ignore_index=True)))
    return pd.DataFrame(rows)


def row_of(experiment, frame):
    """What the cells of one experiment were made on."""
    started = pd.to_datetime(frame["started_at"])
    return {
        "experiment": experiment,
        "cells": len(frame),
        "minutes of its cells": round(frame["cell_s"].sum() / 60, 1),  # some run side by side
        "not ok": int((frame["status"] != "ok").sum()),
        "first cell": started.min().strftime("%Y-%m-%d %H:%M"),
        "last cell (UTC)": started.max().strftime("%H:%M"),
        **{key: listed(frame[key]) for key in MACHINE},
        "commit": listed(frame["git_commit"].dropna().str[:10]),
        "uncommitted changes": listed(frame["git_dirty"].map({True: "yes", False: "no"})),
    }


def listed(values):
    """The distinct values, which should be one."""
    return ", ".join(sorted({str(value) for value in values.dropna()}))


def minutes_of(cells, manifest):
    """Minutes of a run by its manifest: of all calls that made its cells; None where one is not known.

    A call that was killed leaves no manifest, so what its cells cost is not known; nor is it of a call
    that made others too, such as cells that have been made again since.
    """
    if not Path(manifest).is_file():
        return None
    about = json.loads(Path(manifest).read_text())
    started, counted, seconds = pd.to_datetime(cells["started_at"], utc=True), 0, 0
    for call in about.get("calls", []):
        since = (started - moment(call["began"])).dt.total_seconds()
        made = since.between(0, call["seconds"]).sum()
        if made not in (0, call["cells made"]):
            return None
        counted, seconds = counted + made, seconds + call["seconds"] * bool(made)
    return seconds / 60 if about["outcome"] == "complete" and counted == len(cells) else None


def measured(reference, run):
    """{(command, cells): minutes} that the run in the folder `reference` says were measured.

    run: the table `run` of another; only where both were made on one kind of machine, with threads
    as their experiments have them.
    """
    times, made_on = (Path(reference, f"tables/{name}.csv") for name in ("times", "run"))
    if not (times.is_file() and made_on.is_file()):
        return {}
    kind = [column for column in MACHINE if column != "threads"]
    theirs, ours = (table[kind].iloc[-1].map(str) for table in (pd.read_csv(made_on), run))
    rows = pd.read_csv(times)
    rows = rows[(rows["minutes are"] == MEASURED) & theirs.equals(ours)]
    return dict(zip(zip(rows["command"], rows["cells"], strict=True), rows["minutes"], strict=True))


def times(cells, minutes, others):
    """(the table `times`, a sentence on the published run): what the shipped runs take.

    cells: those of the published run; minutes: what it took as measured, None if that is not known;
    others: of those that were `measured` before. What is left is reckoned, on as many cores, from
    what such cells took, where that is known of all of them.
    """
    made = set(cells[CELL].itertuples(index=False, name=None))
    cores = int(cells["cpu_cores"].max())
    rows, published, rest = [], f"a run of its own, {len(made):,} cells", []
    for name, files in RUNS.items():
        plan = shipped(name)
        jobs = cells_of(plan).values()
        seconds, guessed = expected(jobs, [costs(cells)], plan.names("timing"), cores)
        this = made == {tuple(job[key] for key in CELL) for job in jobs}
        preset = f" CONFIG={files[-1]}" if len(files) > 1 else ""
        command = f"`make run{preset}`"
        took = minutes if this else others.get((command, len(jobs)))
        if took is None and guessed:
            continue
        shown = f"{seconds / 60 if took is None else took:.0f}"
        minutes_in = f"{shown} minute{'s' * (shown != '1')}"
        how = MEASURED if took is not None else "by what its cells took"
        rows.append([command, len(jobs), shown, how])
        if this:
            published = f"{name}, {len(made):,} cells, {minutes_in} on {cores} cores {how}"
        else:
            rest.append(f"{name}: about {minutes_in}")
    table = pd.DataFrame(rows, columns=["command", "cells", "minutes", "minutes are"])
    return table, f"Published: {'; '.join([published, *rest])}.\n"
