"""What all figures share: a look for each model, labels at the lines' ends, ticks, conditions below."""

import math
import textwrap
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ticker import NullLocator

from workflow.seqbench.results.selecting import incomplete

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Recurrent models in reds, attention in blues, anything else in purples: distinguishable without
# colour too, by marker (recurrent round, attention square) and by line.
SHADES = {
    "recurrent": ["#b2182b", "#e8735c", "#7f0f1f", "#f4a582", "#d9480f"],
    "attention": [
        *("#2166ac", "#67a9cf", "#0b3c6f", "#35978f", "#5e4fa2"),
        *("#1c7ed6", "#003c30", "#80cdc1", "#8c8cc8"),
    ],
    "other": ["#6a3d9a", "#a58cc4", "#3f1f66", "#cab2d6"],
}
MARKERS = {"recurrent": "o8ph*H", "attention": "sDdPX+", "other": "v^<>x1"}
LINES = ["-", "--", ":", "-."]
FAMILIES = {
    "lstm": "recurrent",
    "gru": "recurrent",
    "mingru": "recurrent",
    "transformer": "attention",
    "linear_attention": "attention",
}
# The place of each shipped model in its family, so that it looks the same in every figure; those
# that share figures stand near each other.
PLACES = {
    "recurrent": [
        *("lstm", "lstm_chrono", "gru", "mingru", "lstm_mean", "lstm_chrono_mean", "gru_chrono"),
        *("mingru_chrono", "lstm_chrono_cut", "lstm_bias_0", "lstm_bias_1", "lstm_bias_1_5"),
        *("lstm_bias_2", "lstm_bias_3", "lstm_bias_4", "lstm_bias_5", "lstm_bias_6"),
    ],
    "attention": [
        *("transformer", "transformer_matched", "transformer_sdpa_matched"),
        *("transformer_no_dropout", "transformer_small", "transformer_rotary_matched"),
        *("transformer_decoder_matched", "transformer_decoder_no_cache_matched"),
        *("linear_attention_matched", "transformer_learned_matched", "transformer_last"),
        *("transformer_causal_mean", "transformer_uniform"),
    ],
    "other": ["hybrid", "feed_forward_last", "feed_forward_mean"],
}
# Names that are longer than a label should be.
NAMES = {
    "transformer_decoder_matched": "transformer, cache",
    "transformer_decoder_no_cache_matched": "transformer, no cache",
    "transformer_sdpa_matched": "transformer matched, fused",
}
SMALL = {"fontsize": 7.5, "color": "0.35"}  # footers and notes


def looks(table):
    """Plot keywords (color, marker, linestyle) of each model in a table, no two alike.

    Shipped models have a fixed look; others take what is left of their family, by their names.
    """
    models = table[["model", "architecture"]].drop_duplicates().to_numpy().tolist()
    families = {model: FAMILIES.get(architecture, "other") for model, architecture in models}
    chosen = {}
    for family, names in PLACES.items():
        places = {name: i for i, name in enumerate(names)}
        new = sorted(
            model for model in families if families[model] == family and model not in places
        )
        places |= {model: len(names) + i for i, model in enumerate(new)}
        for model, i in places.items():
            chosen[model] = {
                "color": SHADES[family][i % len(SHADES[family])],
                "marker": MARKERS[family][i // 4 % 6],
                "linestyle": LINES[(i + i // 4) % 4],
            }
    return {model: chosen[model] for model, _ in models}


def line(look):
    """The part of a look that a line without markers has."""
    return {key: look[key] for key in ("color", "linestyle")}


def title_of(model):
    """A model's name as a reader sees it."""
    return NAMES.get(model, model.replace("_", " "))


def times(ratio):
    """75× or 3.8×."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2g}×"


def label_ends(axis, ends, size=9):
    """Write each model's name right of its line's end; where names would overlap they are moved apart,
    as little as that takes, and a thin line leads to each that was moved.

    ends: (text, x, y, color) in data coordinates.
    """
    axis.figure.canvas.draw()
    scale, ends = 72 / axis.figure.dpi, sorted(ends, key=lambda end: end[2])
    wanted = [axis.transData.transform(end[1:3])[1] * scale for end in ends]  # in points
    heights = [size * (0.1 + 1.3 * (1 + end[0].count("\n"))) for end in ends]
    for (text, x, y, color), at, moved in zip(ends, wanted, apart(wanted, heights), strict=True):
        if abs(moved - at) > 3:
            look = {"arrowstyle": "-", "color": color, "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
            place = {"textcoords": "offset points", "annotation_clip": False}
            axis.annotate("", (x, y), (13, moved - at), arrowprops=look, **place)
        offset = (14 if abs(moved - at) > 3 else 7, moved - at)
        note(axis, text, (x, y), offset, color=color, fontsize=size, va="center")


def apart(wanted, heights):
    """Centres of labels, ascending, moved as little as keeps them from overlapping.

    Labels that touch form a group around the mean of where they want to be.
    """
    groups = []  # (bottom, height, [labels])
    for i, (centre, height) in enumerate(zip(wanted, heights, strict=True)):
        members, total, bottom = [i], height, centre - height / 2
        while groups and groups[-1][0] + groups[-1][1] > bottom:
            _, below, others = groups.pop()
            members, total = [*others, *members], below + total
            bottom = np.mean([wanted[m] for m in members]) - total / 2
        groups.append((bottom, total, members))
    placed = []
    for bottom, _, members in groups:
        for m in members:
            placed.append(bottom + heights[m] / 2)
            bottom += heights[m]
    return placed


def note(axis, text, at, offset=(0, 4), **options):
    """A few words at a point, `offset` in points from it, legible on lines."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    place = {"textcoords": "offset points", "annotation_clip": False, "zorder": 4, "bbox": box}
    axis.annotate(text, at, offset, **(SMALL | place | options))


def length_ticks(axis, values):
    """Ticks of a log x axis at measured values, as plain numbers; fewer where they would touch."""
    kept = []
    for value in sorted(values, reverse=True):
        if not kept or value * 1.7 <= kept[-1]:
            kept.append(value)
    axis.set_xticks(kept, [f"{value:,}" for value in kept])
    axis.xaxis.set_minor_locator(NullLocator())


def plain_log_ticks(axis, text="{:g}", highest=math.inf):
    """Ticks of a log axis (axes.xaxis or .yaxis) at 1, 2, 5, 10, ..., up to `highest`, as plain numbers."""
    low, high = sorted(axis.get_view_interval())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) < 6 else (1,)
    ticks = [factor * 10.0**power for power in decades for factor in factors]
    ticks = [tick for tick in ticks if low <= tick <= min(high, highest)]
    axis.set_ticks(ticks, labels=[text.format(tick) for tick in ticks])
    axis.set_minor_locator(NullLocator())


NOT_SOLVED = 1.35  # times the budget: where the mark of a run stands that was not solved


def runs(axis, y, cells, color, marker):
    """Steps that each run took until it was solved, at height y, and their median; x is steps.

    A triangle beyond the budget stands for the runs that were not, with the share that was.
    """
    steps = cells["solved_step"].astype(float).sort_values()
    spread = y + np.linspace(-0.12, 0.12, len(steps))
    axis.plot(steps, spread, marker, color=color, alpha=0.6, mew=0)
    if steps.isna().any():
        x = NOT_SOLVED * cells["budget_steps"].max()
        axis.plot(x, y, "^", mfc="white", mec=color)
        note(axis, f"{steps.notna().sum()}/{len(steps)}", (x, y), (6, 0), color=color, va="center")
    if steps.notna().mean() > 0.5:
        middle = steps.fillna(np.inf).median()
        axis.vlines(middle, y - 0.2, y + 0.2, color=color, lw=2.4)


def solving_axis(axis, cells, names):
    """Rows called `names`, from above, against training steps up to the budget of the cells."""
    budget = cells["budget_steps"].max()
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.axvline(budget, color="0.4", lw=0.9, ls=(0, (4, 2)), zorder=1)
    axis.set(xscale="log", xlabel="training steps until solved")
    steps = cells["solved_step"].dropna()
    axis.set_xlim(0.8 * min([*steps, budget]), 2.2 * budget)
    ticks = [n for n in (10, 30, 100, 300, 1000, 3000, 10_000) if axis.get_xlim()[0] <= n <= budget]
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()


@contextmanager
def drawing(mplstyle, cells, footer, *paths, size, panels=1, stacked=False, **options):
    """Axes to draw on, in a row or stacked; then the conditions of the cells below them, and the files.

    mplstyle: a matplotlib style file; footer: what follows the machine in the conditions, {n} in it
    the number of runs; size: in inches; options: of plt.subplots.
    """
    with plt.style.context(mplstyle):
        shape = (panels, 1) if stacked else (1, panels)
        figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, **options)
        yield axes.ravel()
        text = "\n".join(textwrap.wrap(conditions(cells, footer), int(16 * size[0])))
        figure.supxlabel(text, x=0.01, ha="left", **SMALL)
        for path in paths:  # without dates
            metadata = {"Date": None} if Path(path).suffix == ".svg" else {"Software": None}
            figure.savefig(path, metadata=metadata)
        plt.close(figure)


def headline(axes, text):
    """What the figure found, above all of its axes."""
    figure = axes[0].figure
    lines = textwrap.wrap(text, int(11.2 * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11.5, weight="bold")


def conditions(cells, footer):
    """The machine in words, and the footer with the number of runs per cell in place of {n}."""
    names, torch, threads = (
        " / ".join(sorted(cells[key].astype(str).unique()))
        for key in ("device_name", "torch", "threads")
    )
    swept = cells.duplicated(["model", "seq_len", "seed"]).any()
    counts = cells.groupby(["model", "seq_len", *(["lr"] if swept else [])]).size()
    n = "–".join(str(n) for n in sorted({counts.min(), counts.max()}))
    plural, part = "" if threads == "1" else "s", incomplete(cells)
    text = f"{names}, {threads} thread{plural}, torch {torch}; {footer.format(n=n)}"
    return f"{text}; incomplete: {part}" if part else text
