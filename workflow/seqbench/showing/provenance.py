"""What a published run was made on and what it cost, from the columns that every cell carries."""

import pandas as pd


def summarize(cells):
    """One row an experiment from {experiment: its cells table}, and one for all of them.

    Cells of several experiments run in turns, so only the row for all has minutes: from the start
    of the first cell to the start of the last one.
    """
    rows = [row_of(experiment, frame) for experiment, frame in cells.items()]
    everything = pd.concat(cells.values(), ignore_index=True)
    started = pd.to_datetime(everything["started_at"])
    minutes = (started.max() - started.min()).total_seconds() / 60
    return pd.DataFrame([*rows, row_of("all", everything) | {"minutes": f"{minutes:.0f}"}]).fillna(
        ""
    )


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
