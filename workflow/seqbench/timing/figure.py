"""Figure `time`: seconds of a forward pass against sequence length."""

import matplotlib.pyplot as plt

from workflow.seqbench.style import conditions, label_ends, looks, plain_ticks, save


def draw(summary, cells, style, *paths):
    """Draw the table `timing` (medians, intervals) and its cells (processes) on linear and log axes.

    style: a matplotlib style file. A cell without a time is marked by a cross at the top.
    """
    with plt.style.context(style):
        figure, (linear, log) = plt.subplots(1, 2, figsize=(10, 4.2))
        look = looks(cells)
        for axis in (linear, log):
            draw_models(axis, summary, cells, look)
        longest = summary["seq_len"].max()
        for axis in (linear, log):
            axis.set_xlabel("sequence length (tokens)")
        linear.set_ylabel("time of a forward pass (ms)")
        linear.set_ylim(bottom=0)
        linear.set_xlim(0, longest * 1.45)
        linear.set_title("What you wait")
        log.set_xscale("log")
        log.set_yscale("log")
        log.set_title("How it grows")
        log.set_xlim(right=longest * 4)
        log.yaxis.set_major_formatter("{x:g}")
        plain_ticks(log, summary["seq_len"].unique())
        draw_guides(log, summary)
        for axis in (linear, log):
            last = summary.dropna(subset="time_median_s").groupby("model", sort=False).last()
            ends = [
                (
                    model.replace("_", " "),
                    row.seq_len,
                    row.time_median_s * 1e3,
                    look[model]["color"],
                )
                for model, row in last.iterrows()
            ]
            label_ends(axis, ends)
        mode = f"batch {cells['batch_size'].iloc[0]}, {cells['mode'].iloc[0]} mode"
        conditions(
            figure, cells, f"processes; line: median, bar: 95 % interval, dots: processes; {mode}"
        )
        save(figure, *paths)


def draw_models(axis, summary, cells, look):
    """Each model's median with its interval, and its processes behind it."""
    for model, rows in summary.groupby("model", sort=False):
        own = cells[(cells["model"] == model) & (cells["status"] == "ok")]
        axis.plot(
            own["seq_len"], own["time_s"] * 1e3, ".", color=look[model]["color"], alpha=0.35, ms=4
        )
        median = rows["time_median_s"] * 1e3
        below = (median - rows["time_low_s"] * 1e3).fillna(0)
        above = (rows["time_high_s"] * 1e3 - median).fillna(0)
        axis.errorbar(rows["seq_len"], median, yerr=[below, above], **look[model])
        failed = rows[rows["n"] == 0]
        axis.plot(
            failed["seq_len"],
            [0.97] * len(failed),
            "x",
            color=look[model]["color"],
            transform=axis.get_xaxis_transform(),
        )


def draw_guides(axis, summary):
    """Thin lines of slope 1 and 2: linear and quadratic growth."""
    shown = summary.dropna(subset="time_median_s")
    if shown["seq_len"].nunique() < 2:
        return
    low, high = shown["seq_len"].min(), shown["seq_len"].max()
    bottom = shown["time_median_s"].min() * 1e3 * 0.5
    for power, name in ((1, "∝ N"), (2, "∝ N²")):
        top = bottom * (high / low) ** power
        axis.plot([low, high], [bottom, top], color="0.75", lw=0.8, zorder=0)
        axis.annotate(
            name, (high, top), xytext=(4, 0), textcoords="offset points", color="0.5", fontsize=8
        )
