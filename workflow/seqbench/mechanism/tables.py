"""Tables of the mechanism, from the recall shards."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench.intervals import binomial_interval
from workflow.seqbench.stats import median_time_to_solve

# How far a run has gone when its gradient is looked at: before training, half-way, at its end.
MOMENTS = {"before training": 0.0, "half-way": 0.5, "at the end": 1.0}


def distance(cells):
    """The table `distance`: solved share and steps to solve, one row per (model, seq_len).

    Unsolved runs are censored at their budget (Kaplan-Meier); infinity stands for "not within it".
    """
    rows = []
    for (model, architecture, seq_len), group in cells.groupby(
        ["model", "architecture", "seq_len"], sort=False
    ):
        solved = int(group["solved_step"].notna().sum())
        low, high = binomial_interval(solved, len(group))
        # A run that diverged would never have solved: it counts as followed to its budget.
        limits = np.where(group["status"] == "over budget", group["steps"], group["budget_steps"])
        median, first, last, method = median_time_to_solve(group["solved_step"], limits)
        rows.append(
            {
                "model": model,
                "architecture": architecture,
                "seq_len": seq_len,
                "n": len(group),
                "solved": solved,
                "solved_share": solved / len(group),
                "solved_low": low,
                "solved_high": high,
                "steps_to_solve_median": median,
                "steps_to_solve_low": first,
                "steps_to_solve_high": last,
                "interval": method,
                "budget_steps": group["budget_steps"].max(),
            }
        )
    return pd.DataFrame(rows).sort_values("seq_len", kind="stable", ignore_index=True)


def distance_for_people(table):
    """The table with the columns that a reader wants first."""

    def steps(value, budget):
        if math.isnan(value):
            return "–"
        return f"> {budget:,}" if math.isinf(value) else f"{value:,.0f}"

    return pd.DataFrame(
        {
            "model": table["model"],
            "distance": table["seq_len"],
            "solved": [f"{r.solved} of {r.n}" for r in table.itertuples()],
            "95 % interval": [
                f"{r.solved_low:.0%} – {r.solved_high:.0%}" for r in table.itertuples()
            ],
            "steps to solve": [
                steps(r.steps_to_solve_median, r.budget_steps) for r in table.itertuples()
            ],
            "interval of the steps": [
                f"{steps(r.steps_to_solve_low, r.budget_steps)} – "
                f"{steps(r.steps_to_solve_high, r.budget_steps)}"
                for r in table.itertuples()
            ],
        }
    )


def gradient_flow(cells):
    """The table `gradient_flow`: norm of d loss / d embedding at each position, at each moment.

    One row per (model, seq_len, moment, position), median and range over seeds; positions count
    from 1. `reference` is what the LSTM's initial forget gate f alone would leave of the last
    position's gradient, mean over units of f^(seq_len - position); NaN for other models.
    """
    rows = []
    keys = ["model", "architecture", "seq_len"]
    for (model, architecture, seq_len), group in cells.groupby(keys, sort=False):
        position = np.arange(1, seq_len + 1)
        gates = [np.asarray(gate) for gate in group["initial_forget_gate"] if gate is not None]
        shares = [(gate[:, None] ** (seq_len - position)).mean(axis=0) for gate in gates]
        for moment, share in MOMENTS.items():
            flows = np.array(
                [
                    np.asarray(flow[round(share * (len(flow) - 1))])
                    for flow in group["gradient_flow"]
                ]
            )  # (seeds, seq_len)
            median = np.median(flows, axis=0)
            reference = np.median(shares, axis=0) * median[-1] if gates else np.nan
            rows.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "architecture": architecture,
                        "seq_len": seq_len,
                        "moment": moment,
                        "position": position,
                        "n": len(flows),
                        "gradient_median": median,
                        "gradient_min": flows.min(axis=0),
                        "gradient_max": flows.max(axis=0),
                        "reference": reference,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def gradient_flow_for_people(table):
    """First position against last: the share of the gradient that reaches the token to recall."""
    rows = []
    for (model, seq_len), group in table.groupby(["model", "seq_len"], sort=False):
        row = {"model": model, "distance": seq_len}
        for moment, own in group.groupby("moment", sort=False):
            row[moment] = f"{own['gradient_median'].iloc[0] / own['gradient_median'].iloc[-1]:.1e}"
        start = group[group["moment"] == "before training"]
        reference = start["reference"].iloc[0] / start["gradient_median"].iloc[-1]
        row["forget gate alone"] = "–" if math.isnan(reference) else f"{reference:.1e}"
        rows.append(row)
    return pd.DataFrame(rows)


def attention(cells):
    """The table `attention`: mean attention on each position at the end, for models that have it.

    One row per (model, seq_len, position), median and range over seeds; a model that looks
    everywhere alike has 1 / seq_len.
    """
    rows = []
    keys = ["model", "architecture", "seq_len"]
    for (model, architecture, seq_len), group in cells.groupby(keys, sort=False):
        weights = [np.asarray(weight) for weight in group["attention"] if weight is not None]
        if weights:
            weights = np.array(weights)  # (seeds, seq_len)
            rows.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "architecture": architecture,
                        "seq_len": seq_len,
                        "position": np.arange(1, seq_len + 1),
                        "n": len(weights),
                        "attention_median": np.median(weights, axis=0),
                        "attention_min": weights.min(axis=0),
                        "attention_max": weights.max(axis=0),
                        "uniform": 1 / seq_len,
                    }
                )
            )
    columns = ["model", "architecture", "seq_len", "position", "n", "attention_median"]
    columns += ["attention_min", "attention_max", "uniform"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def attention_for_people(table):
    """Attention on the first token, in multiples of what an even look would give it."""
    first = table[table["position"] == 1]
    return pd.DataFrame(
        {
            "model": first["model"],
            "distance": first["seq_len"],
            "attention on the first token": first["attention_median"],
            "times an even look": first["attention_median"] / first["uniform"],
        }
    )
