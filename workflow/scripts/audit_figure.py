"""The figure of the audit: the steps of both parts from above, each one change of protocol."""

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results.selecting import read_table
from workflow.seqbench.showing import style

STEPS = style.ORIGINAL_STEPS
PROPER, BESIDE = (style.SPEC["audit"][name] for name in ("proper", "beside"))
SIDES = {"transformer": -0.2, "lstm": 0.2}  # how far a model is below the middle of its step


def main(table, cells, trainings, mplstyle, png, svg):
    """Draw the table `audit`, from above: the ratio of times, the steps to solve.

    cells: of the experiment timing, for the conditions; trainings: cells of all that train, one mark
    per run.
    """
    audit, cells = read_table(table), read_table(cells)
    runs = pd.concat([read_table(path) for path in trainings], ignore_index=True)
    audit["model"] = audit["models"].str.split(" / ").str[0]  # of a ratio, the Transformer
    looks = style.looks(audit.assign(architecture=""))
    time, recall = (audit[audit["part"] == part] for part in ("time", "recall"))
    shape = {
        "size": (10, 1.3 + 0.45 * audit["step"].max()),
        "panels": 2,
        "about": {"steps": STEPS},
    }
    with style.drawing(mplstyle, cells, "audit", png, svg, **shape) as (left, right):
        measured = time.dropna(subset=["value", "seq_len"])
        last = time.loc[time["statement"] == PROPER, "step"].max()
        line, branches = measured[measured["step"] <= last], measured[measured["step"] > last]
        ends = (set(line.loc[line["step"] == end, "seq_len"]) for end in (line["step"].min(), last))
        longest = max(set.intersection(*ends), default=np.nan)  # that both ends have
        style.headline(left, finding(measured[measured["seq_len"] == longest]))
        draw_line(left, line, longest, looks)
        draw_branches(left, branches, line[line["step"] == last], longest, looks)
        draw_frame(left)
        draw_trainings(right, recall, runs, looks)
        for axis, rows in ((left, time), (right, recall)):
            draw_steps(axis, rows)


def finding(rows):
    """The ratio of times that was printed, the proper one, and one step beside it, at one length."""
    at = rows.set_index("statement")
    if PROPER not in at.index or len(rows) < 2:
        return "From the original's protocol to a proper one"
    first, proper = style.times(rows["value"].iloc[0]), style.times(at.loc[PROPER, "value"])
    length = f"{rows['seq_len'].iloc[0]:,} tokens"
    text = f"Measured properly, the {first} that the original printed at {length} become {proper}"
    if BESIDE in at.index:
        text += f", {style.times(at.loc[BESIDE, 'value'])} with {at.loc[BESIDE, 'title']}"
    return text


def draw_line(axis, rows, longest, looks):
    """The ratio of times at each step: the longest length in front, the others thin behind it.

    A line has a gap at a step that its length was not measured at; one of shorter lengths alone has a
    mark at its longest, which is named. Lengths of later steps only are left to the table.
    """
    axis.set_xscale("log")
    axis.axvline(1, color=style.LSTM, lw=1.4, zorder=1)
    from_above = rows.loc[rows["step"] == rows["step"].min(), "seq_len"]
    steps = range(rows["step"].min(), rows["step"].max() + 1)
    for seq_len, line in rows[rows["seq_len"].isin([longest, *from_above])].groupby("seq_len"):
        values = line.set_index("step")["value"].reindex(steps)
        places = values.index - 1
        name, look = f"{seq_len:,}", {"color": "0.45", "ha": "center"}
        if seq_len == longest:
            name, look = f"{name} tokens", {"color": "0.2", "ha": "left"}
            axis.plot(values, places, color="0.2", lw=2.4, zorder=2)
        else:
            axis.plot(values, places, color="0.6", lw=0.9, marker=".", ms=3, zorder=1)
        first = line.iloc[0]
        style.note(axis, name, (first["value"], first["step"] - 1), (0, 7), **look)
    for _, of_step in rows.groupby("step"):
        row, suffix = at_longest(of_step, longest)
        draw_ratio(axis, row, looks[row.model], suffix)


def draw_branches(axis, rows, proper, longest, looks):
    """Steps that change one thing of the proper one: how far each leads from it, at the longest length.

    One that was measured at shorter lengths alone is shown at its longest, which is named.
    """
    if rows.empty or proper.empty:
        return
    axis.axhline(proper["step"].iloc[0] - 0.5, color="0.75", lw=0.8, zorder=0)
    start = proper.set_index("seq_len")["value"]
    for _, of_step in rows.groupby("step"):
        row, suffix = at_longest(of_step, longest)
        ends = [start.get(row.seq_len, row.value), row.value]
        way = {"arrowstyle": "->", "color": "0.6", "lw": 1, "shrinkA": 0, "shrinkB": 4}
        axis.annotate("", *((end, row.step - 1) for end in ends[::-1]), arrowprops=way, zorder=1)
        draw_ratio(axis, row, looks[row.model], suffix, on_left=ends[0] > ends[1])


def at_longest(of_step, longest):
    """The row of a step at the longest length, or else at the step's own, and what names that one."""
    own = longest if longest in of_step["seq_len"].tolist() else of_step["seq_len"].max()
    (row,) = of_step[of_step["seq_len"] == own].itertuples()
    return row, "" if own == longest else f" at {own:,}"


def draw_frame(axis):
    """The axis of ratios."""
    axis.set_xlim(axis.get_xlim()[0] / 1.2, axis.get_xlim()[1] * 1.6)
    style.plain_log_ticks(axis.xaxis, "{:g}×", (1, 3))
    axis.set(title="Speed", xlabel="time of the Transformer / time of the LSTM")


def draw_ratio(axis, row, look, suffix="", on_left=False):
    """A Transformer's time over the LSTM's at one step, with its interval and as a number."""
    at, color, marker = (row.value, row.step - 1), look["color"], look["marker"]
    bars = np.clip([[row.value - row.low], [row.high - row.value]], 0, None)
    axis.errorbar(*at, xerr=bars, color=color, marker=marker, elinewidth=1.4, zorder=3)
    bold = {"color": "0.15", "fontsize": 10, "weight": "bold", "va": "center"}
    at, offset, align = ((row.low, at[1]), -9, "right") if on_left else (at, 9, "left")
    style.note(axis, style.times(row.value) + suffix, at, (offset, 0), ha=align, **bold)


def draw_trainings(axis, rows, runs, looks):
    """Steps that each run took to solve the task.

    What was printed is one training that ended unsolved, with its loss beside it.
    """
    axis.axvline(STEPS, color="0.6", lw=0.8, ls=":", zorder=0)
    steps = rows[rows["measure"] == "steps_to_solve"]
    trained = steps.merge(runs, on=["experiment", "model", "seq_len"])
    for (step, condition, model), of_step in trained.groupby(["step", "condition", "model"]):
        style.runs(axis, step - 1 + SIDES[condition], of_step, looks[model])
    for row in rows[rows["experiment"].str.startswith("original")].itertuples():
        at = STEPS, row.step - 1 + SIDES[row.condition]
        style.hollow(axis, *at, looks[row.model], zorder=3)
        loss, color = f"→ ended at a loss of {row.value:.2f}", looks[row.model]["color"]
        style.note(axis, loss, at, (5, 0), color=color, va="center")
    style.solving_axis(axis, runs if trained.empty else trained)
    axis.set_title(f"Recall, {rows['seq_len'].dropna().max()} tokens")
    for name, color, y in (
        ("● LSTM", style.LSTM, 1.02),
        ("■ Transformer", style.TRANSFORMER, 1.06),
    ):
        axis.text(1, y, name, color=color, ha="right", transform=axis.transAxes, fontsize=8.5)


def draw_steps(axis, rows):
    """The steps from above: their titles, and how many runs each has."""
    names = []
    for step, group in rows.groupby("step"):
        title, counts = group["title"].iloc[0], group.loc[group["n"] > 0, "n"]
        names.append(title if counts.empty else f"{title}, n = {style.span(counts)}")
        if counts.empty:
            style.absent(axis, step - 1)
    style.row_names(axis, names)
    axis.tick_params(axis="y", labelsize=9, length=0)
    axis.grid(visible=False, axis="y")


if __name__ == "__main__":
    log.run(main, snakemake)
