"""The figure of the audit: both ladders, each step one change of protocol."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

STEPS = 500  # the original's training budget
LSTM, TRANSFORMER = style.SHADES["recurrent"][0], style.SHADES["attention"][0]
MODELS = {"lstm": (LSTM, "o", 0.24), "transformer": (TRANSFORMER, "s", -0.24)}


def main(table, cells, trainings, mplstyle, png, svg):
    """Draw the table `audit`, left to right: the ratio of times, the steps to solve.

    cells: of the experiment timing, for the conditions; trainings: cells of all that train, one dot
    per run.
    """
    audit, cells = pd.read_parquet(table), pd.read_parquet(cells)
    runs = pd.concat([pd.read_parquet(path) for path in trainings], ignore_index=True)
    time, recall = audit[audit["part"] == "time"], audit[audit["part"] == "recall"]
    footer = "left: n processes, bar: 95 % interval; right: n seeds, a dot each, line: median"
    with style.drawing(mplstyle, cells, footer, png, svg, size=(10, 4.9), panels=2) as axes:
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
    steps = rows["step"].max()
    axis.set_yscale("log")
    axis.hlines(1, 0, steps, color=LSTM, lw=1.4, zorder=1)
    style.note(axis, "the LSTM's time", (3, 1), (0, -11), color=LSTM, ha="center")
    ends = []
    for seq_len, line in measured.groupby("seq_len"):
        front, last = seq_len == longest, line.iloc[-1]
        name = f"{seq_len:,} tokens" if front else f"{seq_len:,}"
        ends.append((name, last["step"], last["value"], TRANSFORMER if front else "0.45"))
        if not front:
            axis.plot(line["step"], line["value"], color="0.6", lw=0.9, marker=".", ms=3, zorder=1)
            continue
        bars = [line["value"] - line["low"], line["high"] - line["value"]]
        bars = np.array([side.fillna(0) for side in bars]).clip(0)
        look = {"color": TRANSFORMER, "marker": "s", "lw": 2.4, "elinewidth": 1.4, "zorder": 3}
        axis.errorbar(line["step"], line["value"], yerr=bars, **look)
        for x, y in zip(line["step"], line["value"], strict=True):
            look = {"color": TRANSFORMER, "fontsize": 10.5, "weight": "bold"}
            style.note(axis, style.times(y), (x, y), (5, 7), **look)
    absent(axis, set(rows["step"]) - set(measured["step"]))
    style.plain_log_ticks(axis, "{:g}×")
    step_ticks(axis, rows)
    axis.set_xlim(right=steps + 0.3)
    style.label_ends(axis, ends, size=8.5)
    axis.set(title="Speed", ylabel="time of the Transformer / time of the LSTM")


def draw_trainings(axis, rows, runs):
    """Steps that each run took to solve the task; a band above holds those that never did.

    What was printed is one training that ended unsolved, with its loss beside it.
    """
    budgets = runs["budget_steps"]
    band = [budgets.max() * factor for factor in (1.25, 1.7, 2.3)]  # bottom, middle, top
    axis.set_yscale("log")
    axis.axhspan(band[0], band[2], color="0.94", zorder=0)
    axis.axhline(STEPS, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
    for (step, model), group in rows.groupby(["step", "condition"]):
        color, marker, side = MODELS[model]
        alone = rows.loc[rows["step"] == step, "condition"].nunique() == 1
        x = step + (0 if alone else side)
        look = {"color": color, "marker": marker, "linestyle": "none", "ms": 5}
        if group["experiment"].iloc[0].startswith("original"):
            axis.plot(x, STEPS, mfc="white", zorder=3, **look)
            arrow = {"arrowstyle": "->", "color": color, "lw": 1.2, "shrinkA": 4}
            axis.annotate("", (x, STEPS * 1.4), (x, STEPS), arrowprops=arrow)
            loss = f"loss\n{group['value'].iloc[0]:.2f}"
            style.note(axis, loss, (x, STEPS), (0, -6), color=color, va="top", ha="center")
            continue
        row = group[group["measure"] == "steps_to_solve"].iloc[0]
        if not row["n"]:
            absent(axis, [x])
            continue
        draw_runs(axis, x, row, runs, band, look)
    style.note(axis, "unsolved\nin their\nbudget", (0.5, band[1]), (0, 0), va="center")
    style.note(axis, "solved:", (0.5, band[2]))
    style.note(axis, "the original\nstopped here", (0.5, STEPS), (0, -30), va="top")
    axis.set_ylim(bottom=min(STEPS * 0.35, axis.get_ylim()[0]), top=band[2] * 1.45)
    style.plain_log_ticks(axis, "{:,.0f}", highest=budgets.max())
    step_ticks(axis, rows)
    axis.set_ylabel("training steps until solved")
    axis.set_title(f"Recall of {rows['seq_len'].dropna().max()} tokens")
    for name, color, x in (("● LSTM", LSTM, 1), ("■ Transformer", TRANSFORMER, 0.86)):
        axis.text(x, 1.02, name, color=color, ha="right", transform=axis.transAxes)


def draw_runs(axis, x, row, runs, band, look):
    """The runs of one step and model, and their median where half of them were solved."""
    same = (runs["experiment"] == row["experiment"]) & (runs["model"] == row["models"])
    steps = runs.loc[same & (runs["seq_len"] == row["seq_len"]), "solved_step"].sort_values()
    spread = x + np.linspace(-0.15, 0.15, len(steps))
    axis.plot(spread, steps, alpha=0.6, mew=0, **look)
    axis.plot(spread, np.where(steps.isna(), band[1], np.nan), mfc="white", **look)
    if math.isfinite(row["value"]):
        axis.hlines(row["value"], x - 0.2, x + 0.2, color=look["color"], lw=2.4)
    solved = f"{steps.notna().sum()}/{len(steps)}"
    style.note(axis, solved, (x, band[2]), color=look["color"], fontsize=9.5, ha="center")


def absent(axis, steps):
    """That the run has nothing for these steps."""
    for x in steps:
        look = {"rotation": 90, "color": "0.5", "fontsize": 8.5, "ha": "center"}
        axis.text(x, 0.5, "not in this run", transform=axis.get_xaxis_transform(), **look)


def step_ticks(axis, rows):
    """One tick per step: its title, one word per line, and how many runs it has."""
    labels = {}
    for step, group in rows.groupby("step"):
        counts = sorted(set(group.loc[group["measure"] != "median", "n"]) - {0})
        n = "–".join(map(str, dict.fromkeys([*counts[:1], *counts[-1:]])))
        title = group["title"].iloc[0].replace("-", "-\n").replace(" ", "\n")
        labels[step] = f"{title}\nn = {n}" if n else title
    steps = list(labels)
    axis.set_xticks(steps, labels.values())
    axis.tick_params(axis="x", labelsize=8, length=0)
    axis.set_xlim(0.35, len(steps) + 0.65)
    axis.grid(visible=False, axis="x")


if __name__ == "__main__":
    log.run(main, snakemake)
