"""What a published run was made on and what it cost, from the columns that every cell carries."""

import pandas as pd


def summarize(cells):
    """One row an experiment from {experiment: its cells table}: machine, commit, cells, minutes.

    minutes: from the start of the first cell to the start of the last one.
    """
    rows = []
    for experiment, frame in cells.items():
        started = pd.to_datetime(frame["started_at"])
        rows.append(
            {
                "experiment": experiment,
                "cells": len(frame),
                "not ok": int((frame["status"] != "ok").sum()),
                "minutes": (started.max() - started.min()).total_seconds() / 60,
                "started": started.min().strftime("%Y-%m-%d %H:%M UTC"),
                **{
                    key: listed(frame[key])
                    for key in ("device_name", "cpu_cores", "threads", "torch")
                },
                "commit": listed(frame["git_commit"].dropna().str[:10]),
                "uncommitted changes": listed(frame["git_dirty"].map({True: "yes", False: "no"})),
            }
        )
    return pd.DataFrame(rows)


def listed(values):
    """The distinct values, which should be one."""
    return ", ".join(sorted({str(value) for value in values.dropna()}))
