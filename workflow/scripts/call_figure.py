"""A figure of what a call costs against sequence length: time on linear and log axes, RAM."""

import numpy as np

from workflow.seqbench import log
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import Selection, read_table
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, panels, stacked, png, svg):
    """Draw the named panels from a timing experiment's table and its cells (processes).

    A cell without a result is marked by a cross at the top.
    """
    summary, cells = read_table(table), read_table(cells)
    first, chosen = cells.iloc[0], [style.SPEC["panels"][name] for name in panels]
    call = style.SPEC["calls"].get(first["workload"], first["workload"])
    length = f"{'context' if first['workload'] == 'decode' else 'sequence'} length (tokens)"
    known = any(summary[bound].notna().any() for panel in chosen for bound in panel["bounds"])
    footer = "call" if known else "call_without_interval"
    size = (5.6, 0.9 + 3 * len(panels)) if stacked else (0.4 + 4.6 * len(panels), 4)
    shape = {"size": size, "panels": len(panels), "columns": 1 if stacked else None}
    shape["about"] = first[["batch_size", "mode"]]
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        models = [Selection(*of_model) for of_model in cells.groupby("model", sort=False)]
        style.headline(axes[0], relative(models, chosen[0]))
        for axis, name, panel in zip(axes, panels, chosen, strict=True):
            axis.set(xlabel=length, ylabel=panel["label"].format(call))
            ends = draw_models(axis, summary, cells, panel)
            if name == "linear":
                axis.set(title="What you wait", ylim=(0, None), xlim=(0, None))
                axis.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
                axis.xaxis.set_major_formatter("{x:,.0f}")
            else:
                axis.set(xscale="log", yscale="log", title=growth(models, panel))
                style.length_ticks(axis, models[0].cells["seq_len"].unique())
                draw_guides(axis)
                style.plain_log_ticks(axis.yaxis)
            style.label_ends(axis, ends)


def relative(models, panel):
    """What the others take of the first model's time or RAM at the longest length."""
    first, *others = models
    longest = first.cells["seq_len"].max()
    pairs = [(other.at(longest), first.at(longest)) for other in others]
    pairs = [(a, b) for a, b in pairs if len(a.cells)]
    ratios = [measures.ratio(a, b, panel["column"]).value for a, b in pairs]
    ratios = [ratio for ratio in ratios if ratio > 0]
    if not ratios:
        return f"{panel['name']} of a call"
    span, name = style.span(ratios, style.times), style.title_of(first.model)
    return f"At {longest:,} tokens the others take {span} the {name}'s {panel['name']}"


def growth(models, panel):
    """Title of a panel: the least and the greatest power of the length that models grow with."""
    powers = [measures.slope(selection, panel["column"]).value for selection in models]
    powers = [power for power in powers if np.isfinite(power)]
    span = f": {style.span(powers, '$N^{{{:z.1f}}}$'.format)}" if powers else ""
    return f"How {panel['name']} grows{span}"


def draw_models(axis, summary, cells, panel):
    """Each model's median, its interval where it is a time, its processes behind it.

    Returns (text, x, y, color) of each line's end.
    """
    ends, top = [], axis.get_xaxis_transform()
    for model, rows, look in style.models(summary):
        color, ok = look["color"], cells[(cells["model"] == model) & (cells["status"] == "ok")]
        dots = {"color": color, "alpha": 0.35, "ms": 4}
        axis.plot(ok["seq_len"], ok[panel["column"]] * panel["scale"], ".", **dots)
        median = rows[panel["median"]] * panel["scale"]
        bars = [abs(rows[bound] * panel["scale"] - median) for bound in panel["bounds"]]
        axis.errorbar(rows["seq_len"], median, yerr=bars or None, **look)
        failed = rows.loc[rows["n"] == 0, "seq_len"]
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
