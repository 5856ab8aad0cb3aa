"""What a published run was made on and what it cost, from the columns that every cell carries."""

import pandas as pd
import yaml
from snakemake.utils import update_config

from workflow.seqbench.config import check
from workflow.seqbench.results.costs import expected
from workflow.seqbench.sources import ROOT


def summarize(cells):
    """One row an experiment from {experiment: its cells table}, and one for all of them.

    Cells of several experiments run in turns, so only the row for all has minutes: from the start
    of the first cell to the start of the last one.
    """
    everything = pd.concat(cells.values(), ignore_index=True)
    started = pd.to_datetime(everything["started_at"])
    minutes = (started.max() - started.min()).total_seconds() / 60
    rows = [row_of(experiment, frame) for experiment, frame in cells.items()]
    rows.append(row_of("all", everything) | {"minutes": f"{minutes:.0f}"})
    return pd.DataFrame(rows).fillna("")


def row_of(experiment, frame):
    """What the cells of one experiment were made on."""
    started = pd.to_datetime(frame["started_at"])
    return {
        "experiment": experiment,
        "cells": len(frame),
        "not ok": int((frame["status"] != "ok").sum()),
        "first cell": started.min().strftime("%Y-%m-%d %H:%M"),
        "last cell (UTC)": started.max().strftime("%H:%M"),
        **{key: listed(frame[key]) for key in ("device_name", "cpu_cores", "threads", "torch")},
        "commit": listed(frame["git_commit"].dropna().str[:10]),
        "uncommitted changes": listed(frame["git_dirty"].map({True: "yes", False: "no"})),
    }


def listed(values):
    """The distinct values, which should be one."""
    return ", ".join(sorted({str(value) for value in values.dropna()}))


def times(costs, cores=2):
    """The table `times`: cells and minutes of the shipped configs, by what such cells took."""
    rows, full = [], "workflow/presets/full.yaml"
    commands = {"make run": ["config.yaml"], f"make run CONFIG={full}": ["config.yaml", full]}
    for command, files in commands.items():
        config = {}
        for file in files:
            update_config(config, yaml.safe_load((ROOT / file).read_text()))
        plan = check(config, local=False)
        cells = [
            cell | {"experiment": experiment}
            for experiment in plan.names(on_demand=False)
            for cell in plan.cells(experiment)
        ]
        seconds, _ = expected(cells, [costs], plan.names("timing"), cores)
        minutes = f"{seconds / 60:.0f}"
        rows.append({"command": f"`{command}`", "cells": len(cells), "minutes": minutes})
    return pd.DataFrame(rows)
