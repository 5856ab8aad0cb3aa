"""Tables of the timing experiment."""

import pandas as pd

from workflow.seqbench.intervals import median_interval
from workflow.seqbench.stats import variance_split
from workflow.seqbench.tables import (
    bounds,
    by_model_and_length,
    flag_text,
    interval_columns,
    seconds,
    status_columns,
)

STATUSES = ("ok", "out of memory", "over budget")


def summarize(cells):
    """Columns of one (model, seq_len) over its processes; only cells with status ok have times."""
    ok = cells[cells["status"] == "ok"]
    per_call = ok["time_s"]
    median, _, _, method = median_interval(per_call)
    return {
        "n": len(ok),
        **interval_columns(per_call, "time", "s"),
        "interval": method,
        **interval_columns(ok["cold_s"], "cold", "s"),
        **dict(
            zip(("spread_between", "spread_within"), variance_split(ok["samples_s"]), strict=True)
        ),
        "tokens_per_s": ok["tokens"].max() / median,
        **interval_columns(per_call / ok["calibration_s"], "time_calibrated", ""),
        "call_memory_bytes": ok["call_memory_bytes"].median(),
        "peak_memory_bytes": ok["peak_memory_bytes"].median(),
        "parameters": ok["parameters"].max(),
        "flops": ok["flops"].max(),
        "gflops_per_s": ok["flops"].max() / median / 1e9,
        **status_columns(cells, STATUSES),
        "flags": flag_text(cells),
    }


def table(cells):
    """The table `timing`: one row per (model, seq_len)."""
    return by_model_and_length(cells, summarize)


def for_people(summary):
    """The table with the columns and units that a reader wants first."""
    return pd.DataFrame(
        {
            "model": summary["model"],
            "tokens": summary["seq_len"],
            "n": summary["n"],
            "median": summary["time_median_s"].map(seconds),
            "95 % interval": [
                bounds(low, high, seconds)
                for low, high in zip(summary["time_low_s"], summary["time_high_s"], strict=True)
            ],
            "calibration units": summary["time_calibrated_median"],
            "tokens/s": summary["tokens_per_s"],
            "GFLOP/s": summary["gflops_per_s"],
            "memory (MB)": summary["call_memory_bytes"] / 1e6,
            "failed": summary["out_of_memory"] + summary["over_budget"],
            "flags": summary["flags"],
        }
    )
