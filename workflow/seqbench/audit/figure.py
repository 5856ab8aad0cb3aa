"""Figure `audit`: both ladders, each rung one change of protocol."""

import math

import matplotlib.pyplot as plt
import numpy as np

from workflow.seqbench.audit.table import LSTM, SPEED, STEPS
from workflow.seqbench.style import SHADES, conditions, label_ends, save


def draw(audit, timing, trainings, style, *paths):
    """Both ladders of the table `audit`, left to right: the ratio of times, the steps to solve.

    timing: cells of that experiment, for the conditions; trainings: cells of all that train, one
    dot each; style: a matplotlib style file.
    """
    with plt.style.context(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6))
        draw_speed(left, audit[audit["experiment"] == "speed"])
        memory = audit[audit["experiment"] == "memory"]
        draw_memory(right, memory, trainings)
        seeds = sorted(set(memory.loc[(memory["rung"] > 1) & (memory["n"] > 0), "n"]))
        n = "–".join(str(n) for n in seeds[:: max(1, len(seeds) - 1)]) or "0"
        what = f"processes, bar: 95 % interval; right: n = {n} seeds, a dot each, line: median"
        conditions(figure, timing, what)
        save(figure, *paths)


def draw_speed(axis, speed):
    """The ratio of times at each rung: the longest length in front, the others thin behind it."""
    recurrent, attention = (SHADES[family][0] for family in ("recurrent", "attention"))
    measured = speed.dropna(subset="ratio").groupby("seq_len").size()
    longest = measured[measured == measured.max()].index.max()
    axis.set_yscale("log")
    axis.hlines(1, 0, len(SPEED), color=recurrent, lw=1.4, zorder=1)
    say(axis, "the LSTM's time", 3, 1, recurrent, dy=-11)
    ends = []
    for seq_len, rows in speed.groupby("seq_len"):
        ratio, front = rows["ratio"], seq_len == longest
        last = rows.loc[ratio.last_valid_index()]
        name = f"{seq_len:,} tokens" if front else f"{seq_len:,}"
        ends.append((name, last["rung"], last["ratio"], attention if front else "0.45"))
        if not front:
            axis.plot(rows["rung"], ratio, color="0.6", lw=0.9, marker=".", ms=3, zorder=1)
            continue
        bars = [
            side.fillna(0).clip(lower=0)
            for side in (ratio - rows["ratio_low"], rows["ratio_high"] - ratio)
        ]
        look = {"color": attention, "marker": "s", "lw": 2.4, "elinewidth": 1.4, "zorder": 3}
        axis.errorbar(rows["rung"], ratio, yerr=bars, **look)
        for x, y in zip(rows["rung"], ratio, strict=True):
            if math.isnan(y):
                say_absent(axis, x)
            else:
                say(axis, times(y), x + 0.06, y, attention, size=10.5, dy=7, ha="left")
        first, final = times(ratio.iloc[0]), times(last["ratio"])
        axis.set_title(
            f"Speed: {first} the LSTM's time becomes {final}" if last["rung"] > 1 else "Speed"
        )
    plain_log_ticks(axis, "{:g}×")
    rungs(axis, speed)
    axis.set_xlim(right=7.2)
    label_ends(axis, ends, size=8.5)
    axis.set_ylabel("time of the Transformer / time of the LSTM")


def draw_memory(axis, memory, trainings):
    """Steps that each training took to solve the task; a band above holds those that never did.

    What was printed is one training that ended unsolved, with its loss beside it.
    """
    colors = {LSTM: SHADES["recurrent"][0], "transformer": SHADES["attention"][0]}
    shapes = {LSTM: "o", "transformer": "s"}
    budgets = memory["budget_steps"].dropna().unique()
    band = [max(budgets) * factor for factor in (1.25, 1.7, 2.3)]  # bottom, middle, top
    axis.set_yscale("log")
    axis.axhspan(band[0], band[2], color="0.94", zorder=0)
    axis.axhline(STEPS, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
    for row in memory.itertuples():
        family = row.model.split("_")[0]
        side = {LSTM: 0.24, "transformer": -0.24}[family]
        x = row.rung + (side if (memory["rung"] == row.rung).sum() > 1 else 0)
        color = colors[family]
        look = {"color": color, "marker": shapes[family], "linestyle": "none", "ms": 5}
        if row.rung == 1:
            axis.plot(x, STEPS, mfc="white", zorder=3, **look)
            arrow = {"arrowstyle": "->", "color": color, "lw": 1.2, "shrinkA": 4}
            axis.annotate("", (x, STEPS * 1.4), (x, STEPS), arrowprops=arrow)
            say(axis, f"loss\n{row.loss_at_500_median_nats:.2f}", x, STEPS, color, dy=-6, va="top")
        elif row.n == 0:
            say_absent(axis, x)
        else:
            own = trainings[trainings["model"] == row.model]
            steps = own.loc[own["seq_len"] == row.seq_len, "solved_step"].sort_values()
            spread = x + np.linspace(-0.15, 0.15, len(steps))
            axis.plot(spread, steps, alpha=0.6, mew=0, **look)
            unsolved = np.where(steps.isna(), band[1], np.nan)
            axis.plot(spread, unsolved, mfc="white", **look)
            if math.isfinite(row.steps_to_solve_median):
                axis.hlines(row.steps_to_solve_median, x - 0.2, x + 0.2, color=color, lw=2.4)
            say(axis, f"{row.solved}/{row.n}", x, band[2], color, size=9.5)
    say(axis, "unsolved\nin their\nbudget", 0.5, band[1], "0.35", dy=0, ha="left", va="center")
    say(axis, "solved:", 0.5, band[2], "0.35", ha="left")
    say(axis, "the original\nstopped here", 0.5, STEPS, "0.35", dy=-30, ha="left", va="top")
    axis.set_ylim(bottom=min(STEPS * 0.35, axis.get_ylim()[0]), top=band[2] * 1.45)
    plain_log_ticks(axis, "{:,.0f}", highest=max(budgets))
    rungs(axis, memory)
    axis.set_ylabel("training steps until solved")
    axis.set_title(f"Memory: the first of {memory['seq_len'].iloc[0]} tokens")
    for family, name, x in ((LSTM, "● LSTM", 1), ("transformer", "■ Transformer", 0.86)):
        axis.text(x, 1.02, name, color=colors[family], ha="right", transform=axis.transAxes)


def say(axis, text, x, y, color, size=8.5, dy=4, ha="center", va="baseline"):
    """A few words at a point, dy points above it."""
    axis.annotate(
        text,
        (x, y),
        (0, dy),
        textcoords="offset points",
        color=color,
        fontsize=size,
        fontweight="normal" if color.startswith("0") else "bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        zorder=4,
        ha=ha,
        va=va,
    )


def say_absent(axis, x):
    """That the run has nothing for the rung at x."""
    look = {"rotation": 90, "color": "0.5", "fontsize": 8.5, "ha": "center"}
    axis.text(x, 0.5, "not in this run", transform=axis.get_xaxis_transform(), **look)


def times(ratio):
    """75× or 3.8×."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2g}×"


def plain_log_ticks(axis, text, highest=math.inf):
    """Ticks of a log y axis at 1, 2, 5, 10, ..., up to `highest`, as plain numbers."""
    low, high = axis.get_ylim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in decades for factor in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= min(high, highest)]
    axis.set_yticks(ticks, [text.format(tick) for tick in ticks])
    axis.minorticks_off()


def rungs(axis, rows):
    """One tick a rung, its protocol as the label, one word a line."""
    names = rows.drop_duplicates("rung")
    labels = [protocol.replace(", ", ",\n").replace(" ", "\n") for protocol in names["protocol"]]
    axis.set_xticks(names["rung"], labels)
    axis.tick_params(axis="x", labelsize=8.5, length=0)
    axis.set_xlim(0.35, len(names) + 0.65)
    axis.grid(visible=False, axis="x")
