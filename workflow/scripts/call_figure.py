"""A figure of what a call costs against sequence length: time on linear and log axes, RAM."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style


class Panel(NamedTuple):
    """One panel: a quantity of the cells, how it is labelled, its axes."""

    column: str  # of the cells; the table has its median and bounds for times
    scale: float
    title: str
    label: str  # {call} stands for what is timed
    log: bool


PANELS = {
    "linear": Panel("time_s", 1e3, "What you wait", "time of {call} (ms)", False),
    "log": Panel("time_s", 1e3, "How it grows", "time of {call} (ms)", True),
    "ram": Panel("call_memory_bytes", 1e-6, "RAM", "RAM that {call} adds (MB)", True),
}
CALLS = {
    "forward": "a forward pass",
    "train_step": "a training step",
    "decode": "one decoded token",
}


def main(table, cells, mplstyle, panels, png, svg):
    """Draw the named panels from a timing experiment's table and its cells (processes).

    A cell without a result is marked by a cross at the top.
    """
    summary, cells = pd.read_parquet(table), pd.read_parquet(cells)
    first, chosen = cells.iloc[0], [PANELS[name] for name in panels]
    call = CALLS.get(first["workload"], first["workload"])
    bar = "; bar: 95 % interval" if any(panel.column == "time_s" for panel in chosen) else ""
    footer = f"processes; line: median{bar}; dots: processes; batch {first['batch_size']}, {first['mode']} mode"
    look, longest = style.looks(cells), summary["seq_len"].max()
    shape = {"size": (1 + 4.5 * len(panels), 4.2), "panels": len(panels)}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        for axis, panel in zip(axes, chosen, strict=True):
            what = "context" if first["workload"] == "decode" else "sequence length"
            axis.set(
                title=panel.title, xlabel=f"{what} (tokens)", ylabel=panel.label.format(call=call)
            )
            ends = draw_models(axis, summary, cells, look, panel)
            if panel.log:
                axis.set(xscale="log", yscale="log")
                style.length_ticks(axis, summary["seq_len"].unique())
                axis.set_xlim(right=longest * 4.5)
                draw_guides(axis)
                style.plain_log_ticks(axis)
            else:
                axis.set_ylim(bottom=0)
                axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= longest])
                axis.xaxis.set_major_formatter("{x:,.0f}")
                axis.set_xlim(0, longest * 1.5)
            style.label_ends(axis, ends)


def draw_models(axis, summary, cells, look, panel):
    """Each model's median, its interval where it is a time, its processes behind it.

    Returns (text, x, y, color) of each line's end.
    """
    ends = []
    for model, rows in summary.groupby("model", sort=False):
        color = look[model]["color"]
        ok = cells[(cells["model"] == model) & (cells["status"] == "ok")]
        axis.plot(ok["seq_len"], ok[panel.column] * panel.scale, ".", color=color, alpha=0.35, ms=4)
        bars = None
        if panel.column == "time_s":
            median, low, high = (
                rows[f"time_{x}_s"] * panel.scale for x in ("median", "low", "high")
            )
            bars = np.array([(median - low).fillna(0), (high - median).fillna(0)])
        else:
            median = rows[panel.column] * panel.scale
        axis.errorbar(rows["seq_len"], median, yerr=bars, **look[model])
        failed = rows.loc[rows["n"] == 0, "seq_len"]
        top = axis.get_xaxis_transform()
        axis.plot(failed, [0.97] * len(failed), "x", color=color, transform=top)
        if median.notna().any():
            last = median.last_valid_index()
            ends.append((style.title_of(model), rows["seq_len"][last], median[last], color))
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
        style.note(axis, name, (x1, y1), (3, -2))


if __name__ == "__main__":
    log.run(main, snakemake)
