"""What all figures share: a look for each model, labels at the lines' ends, ticks, conditions below."""

import math
import textwrap
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import yaml
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

from workflow.seqbench.results.selecting import incomplete
from workflow.seqbench.showing.files import whole
from workflow.seqbench.sources import ROOT

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SPEC = yaml.safe_load((ROOT / "workflow/figures.yaml").read_text())
LINES = ["-", "--", ":", "-."]
# Colors of what stands for the whole family.
LSTM, TRANSFORMER = (SPEC["families"][name]["colors"][0] for name in ("recurrent", "attention"))
ORIGINAL_STEPS = 500  # the original's training budget
SMALL = {"fontsize": 7.5, "color": "0.35"}  # footers and notes
NARROW = 5.6  # inches, of figures that stand side by side and have larger footers, to be read there
DASHED = {"color": "0.4", "lw": 0.9, "ls": (0, (4, 2)), "zorder": 1}  # limits and levels


def looks(table):
    """Plot keywords (color, marker, linestyle) of each model in a table, no two alike.

    Colour and dash alone tell them apart, as curves have no markers, and so do marker and dash.
    Shipped models have a fixed look, also where the table does not say their architecture; others
    take what is left of their family, by their names.
    """
    architectures = dict(table[["model", "architecture"]].drop_duplicates().to_numpy().tolist())
    families = {model: family_of(model, named) for model, named in architectures.items()}
    chosen = {}
    for model, family in families.items():
        relatives = {name for name in families if families[name] is family}
        places = [*family["models"], *sorted(relatives - {*family["models"]})]
        i, colors, markers = places.index(model), family["colors"], family["markers"]
        chosen[model] = {
            "color": colors[i % len(colors)],
            "marker": markers[i // 4 % len(markers)],
            "linestyle": LINES[i % 4],
        }
    return chosen


def family_of(model, architecture):
    """The family of looks that a model belongs to: the one that has its place, or its architecture."""
    families = SPEC["families"]
    placed = (family for family in families.values() if model in family["models"])
    alike = (family for family in families.values() if architecture in family["architectures"])
    return next(placed, next(alike, families["other"]))


def models(table):
    """(model, its rows, its look) for each model of a table, in the table's order."""
    look = looks(table)
    for model, rows in table.groupby("model", sort=False):
        yield model, rows, look[model]


def line(look):
    """The part of a look that a line without markers has."""
    return {key: look[key] for key in ("color", "linestyle")}


def band(axis, rows, x, name, look):
    """Median and range over seeds of the column `name`, against the column x."""
    axis.plot(rows[x], rows[f"{name}_median"], **line(look))
    bounds = rows[f"{name}_min"], rows[f"{name}_max"]
    axis.fill_between(rows[x], *bounds, color=look["color"], alpha=0.15, lw=0)


def title_of(model):
    """A model's name as a reader sees it."""
    return SPEC["names"].get(model, model.replace("_", " "))


def listed(models):
    """Names of models: A, B and C."""
    *names, last = map(title_of, models)
    return " and ".join(filter(None, [", ".join(names), last]))


def times(ratio):
    """1,057×, 75×, 5.0× or 0.96×."""
    return f"{ratio:,.0f}×" if ratio >= 9.95 else f"{ratio:#.2g}×"


def span(values, text=str):
    """The least and the greatest value, each written by `text`: 3.9× to 12×."""
    return " to ".join(dict.fromkeys(text(value) for value in (min(values), max(values))))


def label_ends(ends, size=9):
    """Write each model's name right of its line's end; where names would overlap they are moved apart,
    as little as that takes, and a thin line leads to each.

    ends: {axis: [(text, x, y, color)]} in data coordinates; where y is NaN, the foot of the axis.
    """
    ends = {axis: labels for axis, labels in ends.items() if labels}
    lay_out(*ends)
    for axis, labels in ends.items():
        label_ends_of(axis, labels, size)


def label_ends_of(axis, ends, size):
    """Those of one axis, which has its place."""
    foot, scale = axis.get_ylim()[0], 72 / axis.figure.dpi
    ends = [(text, x, foot if np.isnan(y) else y, color) for text, x, y, color in ends[::-1]]
    height = {end: axis.transData.transform(end[1:3])[1] * scale for end in ends}  # in points
    ends.sort(key=lambda end: round(height[end] / size))  # where lines end together, in their order
    wanted = np.array([height[end] for end in ends])
    heights = [size * (0.2 + 1.4 * (1 + end[0].count("\n"))) for end in ends]
    places = apart(wanted, heights, axis.bbox.ymin * scale)
    moved = max(abs(places - wanted)) > 3
    shift = 14 if moved else 7  # room for the lines
    for (text, x, y, color), at, place in zip(ends, wanted, places, strict=True):
        leader = {"arrowstyle": "-", "color": color, "lw": 0.6, "relpos": (0, 0.5), "shrinkB": 3}
        look = {"color": ink(color), "fontsize": size, "va": "center"}
        note(axis, text, (x, y), (shift, place - at), arrowprops=leader if moved else None, **look)


def label_feet(feet, row, step, size=9):
    """Write each model's name below its curve, right-aligned at a thin line from the curve's foot.

    One name a row, the earliest foot's highest, so that no line meets a name that is not its own.
    feet: {axis: [(text, x, y, color)]}; row, step: the first row's y and how far the next is below, in
    data coordinates.
    """
    feet = {axis: labels for axis, labels in feet.items() if labels}
    lay_out(*feet)
    for axis, labels in feet.items():
        labels = sorted(labels, key=lambda foot: foot[1])
        places = apart_on(axis, [foot[1] for foot in labels], [size / 2] * len(labels))
        for i, ((text, x, y, color), place) in enumerate(zip(labels, places, strict=True)):
            leader = {
                "arrowstyle": "-",
                "color": color,
                "lw": 0.6,
                "relpos": (1, 0.5),
                "shrinkA": 0,
            }
            look = {"color": ink(color), "fontsize": size, "va": "center", "ha": "right"}
            at = {"textcoords": "data", "arrowprops": leader}
            note(axis, text, (x, y), (place, row - step * i), **look | at)


def ink(color):
    """A colour, as dark as text on white needs: a contrast of 4.5 (WCAG 2.2, success criterion 1.4.3)."""
    rgb = np.array(to_rgb(color))

    def contrast():
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)

    while contrast() < 4.5:
        rgb *= 0.97
    return to_hex(rgb)


def apart(wanted, heights, floor=-np.inf):
    """Centres of labels, ascending, moved as little (least squares) as keeps them from overlapping
    each other and what is below the floor."""
    stacked = np.cumsum(heights) - np.array(heights) / 2  # where they would touch
    return np.maximum(isotonic_regression(wanted - stacked).x, floor) + stacked


def apart_on(axis, x, widths):
    """Where labels of these widths in points stand on an x axis that has its place, ascending, each as
    near to its x as keeps them apart."""
    scale, transform = 72 / axis.figure.dpi, axis.transData
    wanted = transform.transform([(value, axis.get_ylim()[1]) for value in x])[:, 0] * scale
    at = [(place / scale, 0) for place in apart(wanted, widths)]
    return transform.inverted().transform(at)[:, 0]


def lay_out(*axes):
    """Give the axes of a figure the room that what is drawn leaves them: what a draw does, in half its time."""
    for figure in {axis.figure for axis in axes}:
        if engine := figure.get_layout_engine():  # a style may have none
            engine.execute(figure)


def note(axis, text, at, offset=(0, 4), **options):
    """A few words at a point, `offset` in points from it, legible on lines."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    place = {"textcoords": "offset points", "annotation_clip": False, "zorder": 4, "bbox": box}
    axis.annotate(text, at, offset, **(SMALL | place | options))


def length_ticks(axis, values):
    """Ticks of a log x axis at measured values, as plain numbers; fewer where they would touch."""
    kept, room = [], (max(values) / min(values)) ** 0.15
    for value in sorted(values, reverse=True):
        if not kept or value * room <= kept[-1]:
            kept.append(value)
    axis.set_xticks(kept, [f"{value:,}" for value in kept])
    axis.xaxis.set_minor_locator(NullLocator())


def plain_log_ticks(axis, text="{:,g}", factors=(1, 2, 5), highest=math.inf):
    """Ticks of a log axis (axes.xaxis or .yaxis) at `factors` times 1, 10, ... as plain numbers.

    All of them are powers of ten where some would be too long: 10⁻⁵.
    """
    low, high = sorted(axis.get_view_interval())
    short = low >= 1e-3 and high < 1e6
    ticks = LogLocator(subs=factors if short and high < 1e5 * low else (1,)).tick_values(low, high)
    ticks = [tick for tick in ticks if low <= tick <= min(high, highest)]
    power = [f"$10^{{{math.log10(tick):.0f}}}$" for tick in ticks]
    axis.set_ticks(ticks, labels=[text.format(tick) for tick in ticks] if short else power)
    axis.set_minor_locator(NullLocator())


NOT_SOLVED = 1.35  # times the budget: where the mark of a run stands that was not solved


def absent(axis, y, text="not in this run"):
    """A few words at the height y of a row that has no marks."""
    place = {"xycoords": axis.get_yaxis_transform(), "ha": "center", "va": "center"}
    note(axis, text, (0.45, y), (0, 0), **place)


def dots(axis, y, values, look):
    """Values as marks around the height y, and a bar at their median."""
    spread, color = y + np.linspace(-0.12, 0.12, len(values)), look["color"]
    axis.plot(values, spread, look["marker"], color=color, alpha=0.6, mew=0)
    axis.plot(2 * [values.median()], [y - 0.2, y + 0.2], color=color, lw=2.4, solid_capstyle="butt")


def runs(axis, y, cells, look):
    """Steps that each run took until it was solved, at height y, and their median; x is steps.

    A hollow mark beyond the budget stands for the runs that were not, with the share that was.
    """
    steps, color = cells["solved_step"].astype(float).sort_values(), look["color"]
    dots(axis, y, steps.fillna(np.inf), look)
    if steps.isna().any():
        x = NOT_SOLVED * cells["budget_steps"].max()
        hollow(axis, x, y, look)
        note(axis, f"{steps.notna().sum()}/{len(steps)}", (x, y), (6, 0), color=color, va="center")


def hollow(axis, x, y, look, **options):
    """A model's marks for what was not solved."""
    ink = {"mfc": "white", "mec": look["color"], "mew": 1.2, "color": look["color"]}
    axis.plot(x, y, linestyle="none", marker=look["marker"], **ink | options)


def solving_axis(axis, cells):
    """The x axis of rows of `runs`: training steps up to the budget of the cells."""
    budget = cells["budget_steps"].max()
    axis.grid(visible=False, axis="y")
    axis.axvline(budget, **DASHED)
    axis.set(xscale="log", xlabel="training steps until solved")
    least = cells[["solved_step", "budget_steps"]].astype(float).min(axis=None)
    axis.set_xlim(0.8 * least, 2.2 * budget)
    plain_log_ticks(axis.xaxis, factors=(1, 3), highest=budget)


def row_names(axis, names):
    """Names of rows, the first above, in place of a y axis."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


@contextmanager
def drawing(mplstyle, cells, footer, *paths, size, panels=1, columns=None, about=(), **options):
    """Axes to draw on, in a row or in columns; then the conditions of the cells below them, and the files.

    mplstyle: a matplotlib style file; footer: what follows the machine in the conditions, one of
    `footers` in figures.yaml by its name or a text, {n} in it the number of runs and the rest from
    `about`; size: in inches; options: of plt.subplots.
    """
    with plt.style.context(mplstyle):
        columns = columns or panels
        shape = (panels // columns, columns)
        figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, **options)
        text = conditions(cells, SPEC["footers"].get(footer, footer), dict(about))
        look = SMALL | ({"fontsize": 9} if size[0] <= NARROW else {})
        lines = textwrap.wrap(text, int(120 * size[0] / look["fontsize"]))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", **look)
        yield axes.ravel()  # they have the room that is left, as labels are placed in it
        lay_out(*figure.axes)
        figure.set_layout_engine("none")
        for axis in figure.axes:  # the solver's last digits vary from process to process
            axis.set_position(Bbox(axis.get_position().get_points().round(6)))
        for path in paths:  # without dates
            metadata = {"Date": None} if Path(path).suffix == ".svg" else {"Software": None}
            with whole(path) as fresh:
                figure.savefig(fresh, metadata=metadata)
        plt.close(figure)


def headline(axis, text, experiment=None):
    """What the figure found, above all of its axes, after what is special about its experiment."""
    figure = axis.figure
    text = ": ".join(filter(None, [SPEC["experiments"].get(experiment), text]))
    lines = textwrap.wrap(f"{text[0].upper()}{text[1:]}", int(11.2 * figure.get_figwidth()))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11.5, weight="bold")


def conditions(cells, footer, about):
    """The machine in words, and the footer with its fields filled; {n}: the number of runs per cell."""
    names, torch, threads = (
        " / ".join(sorted(cells[key].astype(str).unique()))
        for key in ("device_name", "torch", "threads")
    )
    counts = cells.groupby([*({"experiment", "model", "seq_len", "lr"} & {*cells})]).size()
    n = "–".join(str(n) for n in sorted({counts.min(), counts.max()}))
    plural, part = "" if threads == "1" else "s", incomplete(cells)
    text = f"{names}, {threads} thread{plural}, torch {torch}; {footer.format(n=n, **about)}"
    return f"{text}; incomplete: {part}" if part else text
