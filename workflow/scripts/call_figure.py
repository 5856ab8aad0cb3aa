"""A figure of what a call costs against sequence length: time on linear and log axes, RAM."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import Selection
from workflow.seqbench.showing import style


class Panel(NamedTuple):
    """One panel: a quantity of the cells, how it is labelled, its axes."""

    column: str  # of the cells; the table has its median and bounds for times
    scale: float
    title: str
    label: str  # {call} stands for what is timed
    log: bool


PANELS = {
    "linear": Panel("time_s", 1e3, "time", "time of {call} (ms)", False),
    "log": Panel("time_s", 1e3, "time", "time of {call} (ms)", True),
    "ram": Panel("call_memory_bytes", 1e-6, "RAM", "RAM that {call} adds (MB)", True),
}
CALLS = {
    "forward": "a forward pass",
    "train_step": "a training step",
    "decode": "one decoded token",
}


def main(table, cells, mplstyle, panels, stacked, png, svg):
    """Draw the named panels from a timing experiment's table and its cells (processes).

    A cell without a result is marked by a cross at the top.
    """
    summary, cells = pd.read_parquet(table), pd.read_parquet(cells)
    first, chosen = cells.iloc[0], [PANELS[name] for name in panels]
    call = CALLS.get(first["workload"], first["workload"])
    known = summary["time_low_s"].notna().any() and any(p.column == "time_s" for p in chosen)
    bars = "bar: 95 % interval of a time; " if known else ""
    footer = f"n = {{n}} processes, a dot each; line: median; {bars}"
    footer += f"batch {first['batch_size']}, {first['mode']} mode"
    look, what = style.looks(cells), "context" if first["workload"] == "decode" else "sequence"
    size = (5.6, 0.9 + 3 * len(panels)) if stacked else (0.4 + 5 * len(panels), 4.2)
    shape = {"size": size, "panels": len(panels), "stacked": stacked}
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        models = {m: Selection(m, rows) for m, rows in cells.groupby("model", sort=False)}
        style.headline(axes, relative(models, chosen[0]))
        for axis, panel in zip(axes, chosen, strict=True):
            axis.set(xlabel=f"{what} length (tokens)", ylabel=panel.label.format(call=call))
            ends = draw_models(axis, summary, cells, look, panel)
            if panel.log:
                axis.set(xscale="log", yscale="log", title=growth(models, panel))
                style.length_ticks(axis, summary["seq_len"].unique())
                draw_guides(axis)
                style.plain_log_ticks(axis.yaxis)
            else:
                axis.set(title="What you wait", ylim=(0, None), xlim=(0, None))
                axis.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
                axis.xaxis.set_major_formatter("{x:,.0f}")
            style.label_ends(axis, ends)


def relative(models, panel):
    """What the others take of the first model's time or RAM at the longest length."""
    first, *others = models.values()
    longest = first.cells["seq_len"].max()
    pairs = ((other.at(longest), first.at(longest)) for other in others)
    ratios = sorted(
        measures.ratio(*pair, panel.column).value for pair in pairs if len(pair[0].cells)
    )
    ratios = [ratio for ratio in ratios if ratio > 0]
    if not ratios:
        return f"{panel.title} of a call"
    span = " to ".join(dict.fromkeys(style.times(ratio) for ratio in (ratios[0], ratios[-1])))
    return f"At {longest:,} tokens the others take {span} the {style.title_of(first.model)}'s {panel.title}"


def growth(models, panel):
    """Title of a panel: the least and the greatest power of the length that models grow with."""
    powers = [measures.slope(selection, panel.column).value for selection in models.values()]
    powers = sorted({round(power, 1) + 0.0 for power in powers if np.isfinite(power)})
    ends = dict.fromkeys([*powers[:1], *powers[-1:]])
    span = " to ".join(f"$N^{{{power:.1f}}}$" for power in ends)
    return f"How {panel.title} grows" + f": {span}" * bool(powers)


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
            end = median.last_valid_index()
            ends.append((style.title_of(model), rows["seq_len"][end], median[end], color))
    return ends


def draw_guides(axis):
    """Short lines of slope 1 and 2 in the lower right: linear and quadratic growth."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    bottom *= (bottom / top) ** 0.15  # a band of their own below the data
    axis.set_ylim(bottom, top)
    x0, x1 = left * (right / left) ** 0.72, left * (right / left) ** 0.88
    y0 = bottom * (top / bottom) ** 0.03
    for power, name in ((1, "N"), (2, "N²")):
        y1 = y0 * (x1 / x0) ** power
        axis.plot([x0, x1], [y0, y1], color="0.6", lw=0.8, zorder=0)
        style.note(axis, name, (x1, y1), (3, -2))


if __name__ == "__main__":
    log.run(main, snakemake)
