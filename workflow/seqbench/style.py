"""What all figures share: a look for each model, labels at the lines' ends, conditions below."""

import textwrap
from pathlib import Path

import matplotlib
import matplotlib.ticker
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Recurrent models in reds, attention in blues, anything else in purples: distinguishable without
# colour too, by marker (recurrent round, attention square) and by line.
SHADES = {
    "recurrent": ["#b2182b", "#e8735c", "#7f0f1f", "#f4a582"],
    "attention": ["#2166ac", "#67a9cf", "#0b3c6f", "#92c5de"],
    "other": ["#6a3d9a", "#a58cc4", "#3f1f66", "#cab2d6"],
}
MARKERS = {"recurrent": "o", "attention": "s", "other": "D"}
LINES = ["-", "--", ":", "-."]
FAMILIES = {
    "lstm": "recurrent",
    "gru": "recurrent",
    "mingru": "recurrent",
    "transformer": "attention",
    "linear_attention": "attention",
}


def looks(cells):
    """Plot keywords (color, marker, linestyle) of each model in `cells`, by family and order."""
    chosen, used = {}, dict.fromkeys(SHADES, 0)
    for model, architecture in cells[["model", "architecture"]].drop_duplicates().to_numpy():
        family = FAMILIES.get(architecture, "other")
        i = used[family]
        used[family] += 1
        chosen[model] = {
            "color": SHADES[family][i % len(SHADES[family])],
            "marker": MARKERS[family],
            "linestyle": LINES[i % len(LINES)],
        }
    return chosen


def title_of(model):
    """A model's name as a reader sees it."""
    return model.replace("_", " ")


def label_ends(axis, ends, size=9):
    """Write each model's name right of its line's end, moved apart where they would overlap.

    ends: (text, x, y, color) in data coordinates.
    """
    figure = axis.figure
    figure.canvas.draw()
    height = size * 1.25 * figure.dpi / 72
    free = -np.inf  # the pixel from which on there is no label yet
    for text, x, y, color in sorted(ends, key=lambda end: end[2]):
        half = height * (1 + text.count("\n")) / 2
        pixel_x, pixel_y = axis.transData.transform((x, y))
        pixel_y = max(pixel_y, free + half)
        free = pixel_y + half
        at = axis.transData.inverted().transform((pixel_x, pixel_y))
        axis.annotate(
            text,
            (x, at[1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=color,
            fontsize=size,
            va="center",
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )


def plain_ticks(axis, values):
    """Ticks of a log x axis at measured values, as plain numbers; fewer where they would touch."""
    shown = []
    for value in sorted(values, reverse=True):
        if not shown or value * 1.7 <= shown[-1]:
            shown.append(value)
    axis.set_xticks(shown, [f"{value:,}" for value in shown])
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())


def conditions(figure, cells, what):
    """The machine and the number of runs, small, under the axes; `what` says what n counts."""
    first = cells.iloc[0]
    names = " / ".join(sorted(cells["device_name"].unique()))
    counts = cells.groupby(["model", "seq_len"]).size()
    n = str(counts.min()) if counts.nunique() == 1 else f"{counts.min()}–{counts.max()}"
    text = (
        f"{names}, {first['threads']} thread{'s' if first['threads'] > 1 else ''}, "
        f"torch {first['torch']}, n = {n} {what}"
    )
    text = "\n".join(textwrap.wrap(text, int(16 * figure.get_figwidth())))
    figure.supxlabel(text, fontsize=7.5, color="0.35", x=0.01, ha="left")


def save(figure, *paths):
    """Write the figure in the format of each path's suffix, without dates, and close it."""
    for path in paths:
        metadata = {"Date": None} if Path(path).suffix == ".svg" else {"Software": None}
        figure.savefig(path, metadata=metadata)
    plt.close(figure)
