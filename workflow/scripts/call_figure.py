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
    size = (style.NARROW, 0.9 + 3 * len(panels)) if stacked else (0.4 + 4.6 * len(panels), 4)
    shape = {"size": size, "panels": len(panels), "columns": 1 if stacked else None}
    shape["about"] = first[["batch_size", "mode"]]
    with style.drawing(mplstyle, cells, footer, png, svg, **shape) as axes:
        models = [Selection(*of_model) for of_model in cells.groupby("model", sort=False)]
        style.headline(axes[0], relative(models, chosen[0]), first["experiment"])
        ends = {}
        for axis, name, panel in zip(axes, panels, chosen, strict=True):
            axis.set(xlabel=length, ylabel=panel["label"].format(call))
            linear = name == "linear"
            ends[axis] = draw_models(axis, summary, cells, panel, -np.inf if linear else 0)
            if linear:
                axis.set(title="What you wait", ylim=(0, None), xlim=(0, None))
                axis.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
                axis.xaxis.set_major_formatter("{x:,.0f}")
            else:
                if all(np.isnan(end[2]) for end in ends[axis]):  # no line has a place
                    lengths = models[0].cells["seq_len"]
                    axis.set(xlim=(lengths.min() / 1.1, lengths.max() * 1.1), ylim=(0.1, 1))
                axis.set(xscale="log", yscale="log", title=growth(models, panel))
                style.length_ticks(axis, models[0].cells["seq_len"].unique())
                draw_guides(axis)
                style.plain_log_ticks(axis.yaxis)
        style.label_ends(ends)


def relative(models, panel):
    """How many times the reference's time or RAM the others take at the longest length.

    The reference took turns with each model, and need not have cells of its own.
    """
    name = models[0].reference or models[0].model
    own = [selection for selection in models if selection.model == name]
    reference = own[0] if own else Selection(name, models[0].cells.iloc[:0])
    longest = max(selection.cells["seq_len"].max() for selection in models)
    others = [selection.at(longest) for selection in models if selection.model != name]
    pairs = [(other, reference.at(longest)) for other in others if len(other.cells)]
    ratios = {a.model: measures.ratio(a, b, panel["column"]).value for a, b in pairs}
    ratios = {model: ratio for model, ratio in ratios.items() if ratio > 0}
    if not ratios:
        return f"{panel['name']} of a call"
    names = [style.title_of(model) for model in ratios]
    if len(names) == 1:
        who = f"{names[0]} takes"
    elif all(name.startswith("Transformer") for name in names):
        who = "Transformers take"
    else:
        who = "the others take"
    span = style.span(ratios.values(), style.times)
    apart = "" if own else ", which is not drawn"
    return f"at {longest:,} tokens {who} {span} the {style.title_of(name)}'s {panel['name']}{apart}"


def growth(models, panel):
    """Title of a panel: the least and the greatest power of the length that models grow with."""
    column, least = panel["column"], panel.get("least", 0)
    models = [selection for selection in models if selection.cells[column].max() >= least]
    powers = [measures.slope(selection, column).value for selection in models]
    powers = [power for power in powers if np.isfinite(power)]
    span = f": {style.span(powers, '$N^{{{:z.1f}}}$'.format)}" if powers else ""
    return f"How {panel['name']} grows{span}"


def draw_models(axis, summary, cells, panel, above):
    """Each model's median, its interval where it is a time, its processes behind it.

    above: what is not is left out, as 0 is from a log axis; the name of a model whose last median is
    says so, or stands at the foot of the axis if all are. Returns (text, x, y, color) of each line's end.
    """
    ends, top = [], axis.get_xaxis_transform()
    for model, rows, look in style.models(summary):
        color, ok = look["color"], cells[(cells["model"] == model) & (cells["status"] == "ok")]
        dots = {"color": color, "alpha": 0.35, "ms": 4}
        values, medians = ok[panel["column"]], rows[panel["median"]]
        axis.plot(ok["seq_len"], values.where(values > above) * panel["scale"], ".", **dots)
        median = medians.where(medians > above) * panel["scale"]
        bars = [abs(rows[bound] * panel["scale"] - median) for bound in panel["bounds"]]
        axis.errorbar(rows["seq_len"], median, yerr=bars or None, **look)
        failed = rows.loc[rows["n"] == 0, "seq_len"]
        axis.plot(failed, [0.97] * len(failed), "x", color=color, transform=top)
        name = style.title_of(model)
        if median.notna().any():
            end = median.last_valid_index()
            name = f"{name}, then 0" if (medians.loc[end:] <= above).any() else name
            ends.append((name, rows["seq_len"][end], median[end], color))
        elif (medians <= above).any():
            ends.append((f"{name}: 0", rows.loc[medians <= above, "seq_len"].max(), np.nan, color))
    return ends


def draw_guides(axis):
    """Short lines of slope 1 and 2 in the lower right: linear and quadratic growth."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    bottom *= (bottom / top) ** 0.2  # a band of their own below the data
    axis.set_ylim(bottom, top)
    x0, x1 = left * (right / left) ** 0.72, left * (right / left) ** 0.88
    y0 = bottom * (top / bottom) ** 0.03
    for power, name in ((1, "N"), (2, "N²")):
        y1 = y0 * (x1 / x0) ** power
        axis.plot([x0, x1], [y0, y1], color="0.6", lw=0.8, zorder=0)
        style.note(axis, name, (x1, y1), (3, -2))


if __name__ == "__main__":
    log.run(main, snakemake)
