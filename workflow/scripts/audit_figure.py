"""The figure of the audit: both ladders from above, each step one change of protocol."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style

STEPS = style.ORIGINAL_STEPS
# How the models look beside each other: color, marker, how far below the middle of their step.
MODELS = {"transformer": (style.TRANSFORMER, "s", -0.2), "lstm": (style.LSTM, "o", 0.2)}
FOOTER = (
    "left: n processes, bar: 95 % interval; right: n seeds, a mark each, bar: median, open triangle: unsolved"
    f" within the budget (dashed), hollow: ended unsolved; dotted: the {STEPS} steps of the original"
)


def main(table, cells, trainings, mplstyle, png, svg):
    """Draw the table `audit`, from above: the ratio of times, the steps to solve.

    cells: of the experiment timing, for the conditions; trainings: cells of all that train, one mark
    per run.
    """
    audit, cells = pd.read_parquet(table), pd.read_parquet(cells)
    runs = pd.concat([pd.read_parquet(path) for path in trainings], ignore_index=True)
    time, recall = (audit[audit["part"] == part] for part in ("time", "recall"))
    shape = {"size": (10.4, 1.3 + 0.45 * audit["step"].max()), "panels": 2}
    with style.drawing(mplstyle, cells, FOOTER, png, svg, **shape) as (left, right):
        measured = time.dropna(subset=["value", "seq_len"])
        longest = measured["seq_len"].mode().max()  # of the lengths that most steps have
        line = measured[measured["seq_len"] == longest]
        style.headline(left, finding(line))
        draw_times(left, measured, longest)
        draw_trainings(right, recall, runs)
        for axis, rows in ((left, time), (right, recall)):
            draw_steps(axis, rows)


def finding(line):
    """The first and the last ratio of times."""
    if len(line) < 2:
        return "From the original's protocol to a proper one"
    first, last = (style.times(line["value"].iloc[i]) for i in (0, -1))
    length = f"{line['seq_len'].iloc[0]:,} tokens"
    return f"Measured properly, the {first} that the original printed at {length} become {last}"


def draw_times(axis, rows, longest):
    """The ratio of times at each step: the longest length in front, the others thin behind it.

    Lengths that were measured at later steps only are left to the table.
    """
    axis.set_xscale("log")
    axis.axvline(1, color=style.LSTM, lw=1.4, zorder=1)
    from_above = rows.loc[rows["step"] == rows["step"].min(), "seq_len"]
    for seq_len, line in rows[rows["seq_len"].isin([longest, *from_above])].groupby("seq_len"):
        values, places = line["value"], line["step"] - 1
        name, look = f"{seq_len:,}", {"color": "0.45", "ha": "center"}
        if seq_len == longest:
            name, look = f"{name} tokens", {"color": style.TRANSFORMER, "ha": "left"}
            bars = np.clip([values - line["low"], line["high"] - values], 0, None)
            width = {"marker": "s", "lw": 2.4, "elinewidth": 1.4, "zorder": 3}
            axis.errorbar(values, places, xerr=bars, color=style.TRANSFORMER, **width)
            bold = {"color": style.TRANSFORMER, "fontsize": 10, "weight": "bold", "va": "center"}
            for at in zip(values, places, strict=True):
                style.note(axis, style.times(at[0]), at, (9, 0), **bold)
        else:
            axis.plot(values, places, color="0.6", lw=0.9, marker=".", ms=3, zorder=1)
        style.note(axis, name, (values.iloc[0], places.iloc[0]), (0, 7), **look)
    axis.set_xlim(axis.get_xlim()[0] / 1.2, axis.get_xlim()[1] * 1.6)
    style.plain_log_ticks(axis.xaxis, "{:g}×")
    axis.set(title="Speed", xlabel="time of the Transformer / time of the LSTM")


def draw_trainings(axis, rows, runs):
    """Steps that each run took to solve the task.

    What was printed is one training that ended unsolved, with its loss beside it.
    """
    axis.axvline(STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
    steps, runs = (
        rows[rows["measure"] == "steps_to_solve"],
        runs.rename(columns={"model": "models"}),
    )
    trained = steps.merge(runs, on=["experiment", "models", "seq_len"])
    for (step, model), of_step in trained.groupby(["step", "condition"]):
        color, marker, side = MODELS[model]
        style.runs(axis, step - 1 + side, of_step, color, marker)
    for row in rows[rows["experiment"].str.startswith("original")].itertuples():
        color, marker, side = MODELS[row.condition]
        at = STEPS, row.step - 1 + side
        axis.plot(*at, marker, color=color, mfc="white", zorder=3)
        loss = f"→ ended at a loss of {row.value:.2f}"
        style.note(axis, loss, at, (5, 0), color=color, va="center")
    style.solving_axis(axis, runs if trained.empty else trained, rows["step"].unique())
    axis.set_title(f"Recall, {rows['seq_len'].dropna().max()} tokens")
    for name, color, x in (("● LSTM", style.LSTM, 1), ("■ Transformer", style.TRANSFORMER, 0.84)):
        axis.text(x, 1.02, name, color=color, ha="right", transform=axis.transAxes, fontsize=8.5)


def draw_steps(axis, rows):
    """The steps from above: their titles, and how many runs each has."""
    names = []
    for step, group in rows.groupby("step"):
        title, counts = group["title"].iloc[0], group.loc[group["n"] > 0, "n"]
        names.append(title if counts.empty else f"{title}, n = {style.span(counts)}")
        if counts.empty:
            place = {"xycoords": axis.get_yaxis_transform(), "ha": "center", "va": "center"}
            style.note(axis, "not in this run", (0.4, step - 1), (0, 0), fontsize=8.5, **place)
    style.row_names(axis, names)
    axis.tick_params(axis="y", labelsize=9, length=0)
    axis.grid(visible=False, axis="y")


if __name__ == "__main__":
    log.run(main, snakemake)
