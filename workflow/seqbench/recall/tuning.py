"""Tuning: which learning rate a model needs, judged on seeds that are not in the results."""

import math

import matplotlib.pyplot as plt
import pandas as pd

from workflow.seqbench.intervals import censored_median
from workflow.seqbench.style import label_ends, looks, save, title_of

KEYS = ["model", "architecture", "seq_len", "lr"]


def compare(cells):
    """The table `tuning`: one row per (model, seq_len, lr) with `chosen` on the best of each model.

    Best: most seeds solved; of those, the fewest steps (median, unsolved seeds as infinity); of
    those, the lowest final loss. A model that no rate solves has no choice and keeps the
    experiment's rate.
    """
    rows = [
        {
            **dict(zip(KEYS, key, strict=True)),
            "n": len(group),
            "solved": int(group["solved_step"].notna().sum()),
            "steps_to_solve_median": censored_median(group["solved_step"]),
            "final_loss_median_nats": group["final_loss"].median(),
            "budget_steps": group["budget_steps"].max(),
            "chosen": False,
        }
        for key, group in cells.groupby(KEYS, sort=False)
    ]
    table = pd.DataFrame(rows)
    order = ["solved", "steps_to_solve_median", "final_loss_median_nats"]
    ranked = table.sort_values(order, ascending=[False, True, True], kind="stable")
    best = ranked.groupby(["model", "seq_len"]).head(1)
    table.loc[best[best["solved"] > 0].index, "chosen"] = True
    return table.sort_values(["model", "seq_len", "lr"], ignore_index=True)


def for_people(table):
    """The table with the columns and units that a reader wants first."""
    return pd.DataFrame(
        {
            "model": table["model"],
            "seq_len": table["seq_len"],
            "learning rate": [f"{lr:g}" for lr in table["lr"]],
            "solved": [f"{s} of {n}" for s, n in zip(table["solved"], table["n"], strict=True)],
            "steps to solve": [
                f"> {budget:,}" if math.isinf(steps) else f"{steps:,.0f}"
                for steps, budget in zip(
                    table["steps_to_solve_median"], table["budget_steps"], strict=True
                )
            ],
            "final loss (nats)": table["final_loss_median_nats"],
            "chosen": table["chosen"].map({True: "✓", False: ""}),
        }
    )


def draw(table, style, *paths):
    """Final loss against learning rate, one line a model, the chosen rate ringed."""
    with plt.style.context(style):
        figure, axis = plt.subplots(figsize=(6, 3.6))
        look = looks(table)
        ends = []
        for model, rows in table.groupby("model", sort=False):
            axis.plot(rows["lr"], rows["final_loss_median_nats"], **look[model])
            best = rows[rows["chosen"]]
            axis.plot(
                best["lr"],
                best["final_loss_median_nats"],
                "o",
                ms=12,
                mfc="none",
                mec=look[model]["color"],
            )
            last = rows.iloc[-1]
            name = f"{title_of(model)}, at best {rows['solved'].max()} of {last['n']} solved"
            ends.append((name, last["lr"], last["final_loss_median_nats"], look[model]["color"]))
        axis.set_xscale("log")
        axis.set_xticks(
            sorted(table["lr"].unique()), [f"{lr:g}" for lr in sorted(table["lr"].unique())]
        )
        axis.minorticks_off()
        axis.set_xlim(right=table["lr"].max() * 14)
        axis.set_ylim(bottom=-0.1)
        axis.set_xlabel("learning rate (ring: chosen)")
        axis.set_ylabel("final loss (nats), median")
        axis.set_title(f"{table['seq_len'].iloc[0]} tokens, {table['n'].iloc[0]} tuning seeds")
        label_ends(axis, ends)
        save(figure, *paths)
