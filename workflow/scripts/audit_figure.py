"""The figure of the audit: both ladders from above, each step one change of protocol."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

STEPS = 500  # the original's training budget
LSTM, TRANSFORMER = style.SHADES["recurrent"][0], style.SHADES["attention"][0]
MODELS = {"lstm": (LSTM, "o", 0.2), "transformer": (TRANSFORMER, "s", -0.2)}
FOOTER = "left: n processes, bar: 95 % interval; right: n seeds, a mark each, bar: median, hollow: unsolved within the budget; dashed: the 500 steps of the original"


def main(table, cells, trainings, mplstyle, png, svg):
    """Draw the table `audit`, from above: the ratio of times, the steps to solve.

    cells: of the experiment timing, for the conditions; trainings: cells of all that train, one mark
    per run.
    """
    audit, cells = pd.read_parquet(table), pd.read_parquet(cells)
    runs = pd.concat([pd.read_parquet(path) for path in trainings], ignore_index=True)
    time, recall = audit[audit["part"] == "time"], audit[audit["part"] == "recall"]
    shape = {"size": (10.4, 1.3 + 0.45 * audit["step"].max()), "panels": 2}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as axes:
        style.headline(axes, finding(time))
        draw_times(axes[0], time)
        draw_trainings(axes[1], recall, runs)


def finding(rows):
    """The first and the last ratio of times at the longest length that most steps have."""
    line = rows.dropna(subset=["value", "seq_len"])
    line = line[line["seq_len"] == longest_of(line)]
    if len(line) < 2:
        return "From the original's protocol to a proper one"
    first, last = (style.times(line["value"].iloc[i]) for i in (0, -1))
    length = f"{line['seq_len'].iloc[0]:,} tokens"
    return f"Measured properly, the {first} that the original printed at {length} become {last}"


def longest_of(rows):
    """The longest of the lengths that most steps have."""
    counts = rows.groupby("seq_len").size()
    return counts[counts == counts.max()].index.max()


def draw_times(axis, rows):
    """The ratio of times at each step: the longest length in front, the others thin behind it."""
    measured = rows.dropna(subset=["value", "seq_len"])
    longest = longest_of(measured)
    axis.set_xscale("log")
    axis.axvline(1, color=LSTM, lw=1.4, zorder=1)
    for seq_len, line in measured.groupby("seq_len"):
        front, top = seq_len == longest, line.iloc[0]
        color = TRANSFORMER if front else "0.45"
        name = f"{seq_len:,}{' tokens' if front else ''}"
        style.note(
            axis,
            name,
            (top["value"], top["step"]),
            (0, 7),
            color=color,
            ha="left" if front else "center",
        )
        if not front:
            axis.plot(line["value"], line["step"], color="0.6", lw=0.9, marker=".", ms=3, zorder=1)
            continue
        bars = [line["value"] - line["low"], line["high"] - line["value"]]
        bars = np.array([side.fillna(0) for side in bars]).clip(0)
        look = {"color": color, "marker": "s", "lw": 2.4, "elinewidth": 1.4, "zorder": 3}
        axis.errorbar(line["value"], line["step"], xerr=bars, **look)
        for x, y in zip(line["value"], line["step"], strict=True):
            look = {"color": color, "fontsize": 10, "weight": "bold", "va": "center"}
            style.note(axis, style.times(x), (x, y), (9, 0), **look)
    absent(axis, set(rows["step"]) - set(measured["step"]))
    axis.set_xlim(axis.get_xlim()[0] / 1.2, axis.get_xlim()[1] * 1.6)
    style.plain_log_ticks(axis.xaxis, "{:g}×")
    step_ticks(axis, rows)
    axis.set(title="Speed", xlabel="time of the Transformer / time of the LSTM")


def draw_trainings(axis, rows, runs):
    """Steps that each run took to solve the task; a band at the right holds those that never did.

    What was printed is one training that ended unsolved, with its loss beside it.
    """
    budget = runs["budget_steps"].max()
    band = [budget * factor for factor in (1.3, 1.9, 2.8)]  # left, middle, right
    axis.set_xscale("log")
    axis.axvspan(band[0], band[2], color="0.94", zorder=0)
    axis.axvline(STEPS, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
    for (step, model), group in rows.groupby(["step", "condition"]):
        color, marker, side = MODELS[model]
        alone = rows.loc[rows["step"] == step, "condition"].nunique() == 1
        y = step + (0 if alone else side)
        look = {"color": color, "marker": marker, "linestyle": "none", "ms": 4.5}
        if group["experiment"].iloc[0].startswith("original"):
            axis.plot(STEPS, y, mfc="white", zorder=3, **look)
            arrow = {"arrowstyle": "->", "color": color, "lw": 1.2, "shrinkA": 4}
            axis.annotate("", (STEPS * 1.5, y), (STEPS, y), arrowprops=arrow)
            loss = f"ended at a loss of {group['value'].iloc[0]:.2f}"
            style.note(axis, loss, (STEPS * 1.5, y), (3, 0), color=color, va="center")
            continue
        row = group[group["measure"] == "steps_to_solve"].iloc[0]
        if row["n"]:
            draw_runs(axis, y, row, runs, band, look)
        elif alone or model == "lstm":
            absent(axis, [step])
    axis.set_xlim(min(STEPS * 0.3, axis.get_xlim()[0]), band[2] * 1.6)
    style.plain_log_ticks(axis.xaxis, "{:,.0f}", highest=budget)
    step_ticks(axis, rows)
    axis.set_xlabel("training steps until solved")
    axis.set_title(f"Recall, {rows['seq_len'].dropna().max()} tokens")
    for name, color, x in (("● LSTM", LSTM, 1), ("■ Transformer", TRANSFORMER, 0.84)):
        axis.text(x, 1.02, name, color=color, ha="right", transform=axis.transAxes, fontsize=8.5)


def draw_runs(axis, y, row, runs, band, look):
    """The runs of one step and model, and their median where half of them were solved."""
    same = (runs["experiment"] == row["experiment"]) & (runs["model"] == row["models"])
    steps = runs.loc[same & (runs["seq_len"] == row["seq_len"]), "solved_step"].sort_values()
    spread = y + np.linspace(-0.1, 0.1, len(steps))
    axis.plot(steps, spread, alpha=0.6, mew=0, **look)
    unsolved = np.linspace(-0.25, 0.25, len(steps))[: steps.isna().sum()]
    axis.plot(band[1] * np.exp(unsolved), [y] * len(unsolved), mfc="white", **look)
    if math.isfinite(row["value"]):
        axis.vlines(row["value"], y - 0.2, y + 0.2, color=look["color"], lw=2.4)
    solved = f"{steps.notna().sum()}/{len(steps)}"
    style.note(axis, solved, (band[2], y), (4, 0), color=look["color"], fontsize=9, va="center")


def absent(axis, steps):
    """That the run has nothing for these steps."""
    for y in steps:
        look = {"color": "0.5", "fontsize": 8.5, "ha": "center", "va": "center"}
        axis.text(0.4, y, "not in this run", transform=axis.get_yaxis_transform(), **look)


def step_ticks(axis, rows):
    """One tick per step from above: its title, and how many runs it has."""
    labels = {}
    for step, group in rows.groupby("step"):
        counts = sorted(set(group.loc[group["measure"] != "median", "n"]) - {0})
        n = "–".join(map(str, dict.fromkeys([*counts[:1], *counts[-1:]])))
        labels[step] = f"{group['title'].iloc[0]}, n = {n}" if n else group["title"].iloc[0]
    axis.set_yticks(list(labels), labels.values())
    axis.tick_params(axis="y", labelsize=9, length=0)
    axis.set_ylim(len(labels) + 0.55, 0.3)
    axis.grid(visible=False, axis="y")


if __name__ == "__main__":
    log.run(main, snakemake)
