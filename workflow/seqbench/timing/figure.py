"""Figures of what a call costs against sequence length: time on linear and log axes, memory."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from workflow.seqbench.style import conditions, label_ends, looks, plain_ticks, save, title_of


class Panel(NamedTuple):
    """One panel: a quantity of the cells, how it is labelled, its axes."""

    column: str  # of the cells; the table has column_median and its bounds for times
    scale: float
    title: str
    label: str  # {call} stands for what is timed
    log: bool


PANELS = {
    "linear": Panel("time_s", 1e3, "What you wait", "time of {call} (ms)", False),
    "log": Panel("time_s", 1e3, "How it grows", "time of {call} (ms)", True),
    "memory": Panel("call_memory_bytes", 1e-6, "Memory", "memory that {call} adds (MB)", True),
}


def draw(summary, cells, style, panels, call, length, *paths):
    """Draw the named panels from a timing experiment's table and its cells (processes).

    call: what is timed, for the labels; length: what seq_len is, for the x axis; style: a
    matplotlib style file. A cell without a result is marked by a cross at the top.
    """
    with plt.style.context(style):
        figure, axes = plt.subplots(
            1, len(panels), figsize=(1 + 4.5 * len(panels), 4.2), squeeze=False
        )
        look = looks(cells)
        longest = summary["seq_len"].max()
        for axis, panel in zip(axes[0], (PANELS[name] for name in panels), strict=True):
            axis.set_title(panel.title)
            axis.set_xlabel(length)
            axis.set_ylabel(panel.label.format(call=call))
            ends = draw_models(axis, summary, cells, look, panel)
            if panel.log:
                axis.set_xscale("log")
                axis.set_yscale("log")
                axis.yaxis.set_major_formatter("{x:g}")
                plain_ticks(axis, summary["seq_len"].unique())
                axis.set_xlim(right=longest * 4.5)
                draw_guides(axis)
            else:
                axis.set_ylim(bottom=0)
                axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= longest])
                axis.xaxis.set_major_formatter("{x:,.0f}")
                axis.set_xlim(0, longest * 1.5)
            label_ends(axis, ends)
        mode = f"batch {cells['batch_size'].iloc[0]}, {cells['mode'].iloc[0]} mode"
        conditions(
            figure,
            cells,
            f"processes; line: median, bar: 95 % interval, dots: processes; {mode}",
        )
        save(figure, *paths)


def draw_models(axis, summary, cells, look, panel):
    """Each model's median, its interval where it is a time, its processes behind it.

    Returns (text, x, y, color) of each line's end.
    """
    ends = []
    for model, rows in summary.groupby("model", sort=False):
        color = look[model]["color"]
        own = cells[(cells["model"] == model) & (cells["status"] == "ok")]
        axis.plot(
            own["seq_len"], own[panel.column] * panel.scale, ".", color=color, alpha=0.35, ms=4
        )
        if panel.column == "time_s":
            median, low, high = (
                rows[f"time_{part}_s"] * panel.scale for part in ("median", "low", "high")
            )
            bars = np.array([(median - low).fillna(0), (high - median).fillna(0)])
        else:
            median, bars = rows[panel.column] * panel.scale, None
        axis.errorbar(rows["seq_len"], median, yerr=bars, **look[model])
        failed = rows[rows["n"] == 0]
        axis.plot(
            failed["seq_len"],
            [0.97] * len(failed),
            "x",
            color=color,
            transform=axis.get_xaxis_transform(),
        )
        if median.notna().any():
            last = median.last_valid_index()
            ends.append((title_of(model), rows["seq_len"][last], median[last], color))
    return ends


def draw_guides(axis):
    """Short lines of slope 1 and 2 in the lower right: linear and quadratic growth."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    bottom *= (bottom / top) ** 0.18  # a band of their own below the data
    axis.set_ylim(bottom, top)
    x0, x1 = left * (right / left) ** 0.45, left * (right / left) ** 0.62
    y0 = bottom * (top / bottom) ** 0.03
    for power, name in ((1, "N"), (2, "N²")):
        y1 = y0 * (x1 / x0) ** power
        axis.plot([x0, x1], [y0, y1], color="0.6", lw=0.8, zorder=0)
        axis.annotate(
            name, (x1, y1), xytext=(3, -2), textcoords="offset points", color="0.45", fontsize=8
        )
