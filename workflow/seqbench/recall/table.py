"""Tables of the recall experiment."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench import tasks
from workflow.seqbench.intervals import binomial_interval, censored_median, median_interval
from workflow.seqbench.tables import (
    bounds,
    by_model_and_length,
    flag_text,
    interval_columns,
    seconds,
    status_columns,
)

STATUSES = ("ok", "diverged", "over budget")


def summarize(cells):
    """Columns of one (model, seq_len) over its seeds. Every run counts, whatever its status.

    A run that was not solved within its budget is censored: it enters the median of the steps to
    solve as infinity.
    """
    solved = int(cells["solved_step"].notna().sum())
    low, high = binomial_interval(solved, len(cells))
    first = cells.iloc[0]
    task = tasks.get(first["task"])
    return {
        "n": len(cells),
        "solved": solved,
        "solved_low": low,
        "solved_high": high,
        "budget_steps": first["budget_steps"],
        "steps_to_solve_median": censored_median(cells["solved_step"]),
        "seconds_to_solve_median_s": censored_median(cells["solved_s"]),
        **interval_columns(cells["final_loss"], "final_loss", "nats"),
        "interval": median_interval(cells["final_loss"].dropna())[3],
        "final_accuracy_median": cells["final_accuracy"].median(),
        "final_accuracy_min": cells["final_accuracy"].min(),
        "final_accuracy_max": cells["final_accuracy"].max(),
        "chance_loss_nats": task.chance_loss(first["seq_len"], first["vocabulary"]),
        "bag_of_tokens_loss_nats": task.bag_of_tokens_loss(first["seq_len"], first["vocabulary"]),
        "step_median_s": cells["step_s"].median(),
        "lr": first["lr"],
        "parameters": first["parameters"],
        "core_parameters": first["core_parameters"],
        **status_columns(cells, STATUSES),
        "flags": flag_text(cells),
    }


def table(cells):
    """The table `recall`: one row per (model, seq_len)."""
    return by_model_and_length(cells, summarize)


def curves(cells):
    """Training loss per step, one row per (model, seq_len, seed, step): what the figure draws."""
    parts = [
        pd.DataFrame(
            {
                "model": cell.model,
                "architecture": cell.architecture,
                "seq_len": cell.seq_len,
                "seed": cell.seed,
                "step": np.arange(1, len(cell.train_loss) + 1, dtype="int32"),
                "train_loss": np.asarray(cell.train_loss, dtype="float32"),
            }
        )
        for cell in cells.itertuples()
    ]
    return pd.concat(parts, ignore_index=True)


def for_people(summary):
    """The table with the columns and units that a reader wants first."""
    return pd.DataFrame(
        {
            "model": summary["model"],
            "tokens": summary["seq_len"],
            "solved": [f"{s} of {n}" for s, n in zip(summary["solved"], summary["n"], strict=True)],
            "95 % interval": [
                bounds(low, high, "{:.0%}".format)
                for low, high in zip(summary["solved_low"], summary["solved_high"], strict=True)
            ],
            "steps to solve": [
                f"> {budget:,.0f}" if math.isinf(steps) else f"{steps:,.0f}"
                for steps, budget in zip(
                    summary["steps_to_solve_median"], summary["budget_steps"], strict=True
                )
            ],
            "time to solve": summary["seconds_to_solve_median_s"].map(seconds),
            "final loss (nats)": summary["final_loss_median_nats"],
            "final accuracy": summary["final_accuracy_median"],
            "chance": summary["chance_loss_nats"],
            "bag of tokens": summary["bag_of_tokens_loss_nats"],
            "lr": summary["lr"],
            "parameters": summary["parameters"],
            "diverged or over budget": summary["diverged"] + summary["over_budget"],
        }
    )
