"""The figures of a made-up run: what they say is what the tables say, and nothing lies on anything.

Each is drawn by its rule's script; its texts and lines are read off before it is saved.
"""

import itertools
import math
import re

import matplotlib.figure
import matplotlib.text
import numpy as np
import pandas as pd
import pytest

from tests import realistic
from workflow.seqbench.judging.statements import load
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import Run, select
from workflow.seqbench.showing import style

NAMES = list(realistic.FIGURES)
(VANISHED,) = {
    condition["vanished"]
    for claim in load(realistic.CLAIMS)
    for condition in claim["conditions"].values()
    if "vanished" in condition
}


class Drawn:
    """A saved figure: its files, its axes, its visible texts with their boxes in pixels."""

    def __init__(self, figure, png):
        self.png, self.figure = png, figure
        figure.canvas.draw()
        beyond = {
            label
            for axis in figure.axes
            for one in (axis.xaxis, axis.yaxis)
            for tick in (*one.get_major_ticks(), *one.get_minor_ticks())
            if not min(one.get_view_interval()) <= tick.get_loc() <= max(one.get_view_interval())
            for label in (tick.label1, tick.label2)
        }
        self.texts = [
            (text.get_text(), text.get_window_extent())
            for text in figure.findobj(matplotlib.text.Text)
            if text.get_visible() and text not in beyond and text.get_text().strip()
        ]

    @property
    def headline(self):
        return self.figure.get_suptitle().replace("\n", " ")

    @property
    def footer(self):
        return self.figure.get_supxlabel().replace("\n", " ")


@pytest.fixture(scope="module")
def drawn(made_up_run):
    """{name: Drawn} of every figure."""
    folder, plan = made_up_run
    read, save = {}, matplotlib.figure.Figure.savefig

    def keep(figure, path, **options):
        save(figure, path, **options)
        if path.suffix == ".svg":
            read[path.stem] = Drawn(figure, path.with_suffix(".png"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matplotlib.figure.Figure, "savefig", keep)
        realistic.draw(folder, plan)
    return read


@pytest.fixture(scope="module")
def table(made_up_run):
    return lambda name: pd.read_parquet(made_up_run[0] / f"tables/{name}.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small(drawn, name):
    assert drawn[name].png.with_suffix(".svg").stat().st_size < 300_000
    assert drawn[name].png.stat().st_size < 500_000


@pytest.mark.parametrize("name", NAMES)
def test_no_text_lies_on_another(drawn, name):
    """Labels may lie on lines, in a white box; never on each other, nor outside of the picture."""
    shown = drawn[name]
    for (a, first), (b, second) in itertools.combinations(shown.texts, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        touching = width > 1 and height > 2
        assert not touching, f"{a!r} touches {b!r}"


@pytest.mark.parametrize("name", NAMES)
def test_no_third_of_a_panel_is_empty(drawn, name):
    for axis in drawn[name].figure.axes:
        frame = axis.get_window_extent()
        inked = [
            artist.get_window_extent()
            for artist in (*axis.lines, *axis.patches, *axis.collections, *axis.texts)
            if artist.get_visible()
        ]
        for third in np.linspace(frame.x0, frame.x1, 4)[:-1]:
            right = third + frame.width / 3
            assert any(box.x0 < right and box.x1 > third for box in inked), axis.get_title()


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_what_it_found_and_on_what(drawn, name):
    shown = drawn[name]
    assert re.search(r"\d", shown.headline), "a headline without a number found nothing"
    for part in ("AMD EPYC", "1 thread", "torch 2.13.0"):
        assert part in shown.footer
    assert re.search(r"n = \d", shown.footer + " ".join(text for text, _ in shown.texts))


def test_headlines_are_computed(drawn, made_up_run, table):
    run = Run.of_files(made_up_run[0].glob("tables/*_cells.parquet"))
    others = (select(run, "timing", m, 3000) for m in run.table("timing_cells")["model"].unique())
    lstm, *others = others
    ratios = sorted(measures.ratio(other, lstm).value for other in others)
    assert f"{style.times(ratios[0])} to {style.times(ratios[-1])}" in drawn["time"].headline
    solvers = table("recall").query("seq_len == 100 and solved_share > 0.5")["model"]
    for model in table("recall")["model"].unique():
        name = re.escape(style.title_of(model))
        said = re.search(rf"{name}(?! \()", drawn["memory"].headline)
        assert bool(said) == (model in solvers.tolist())
    steps = table("distance").query("seq_len == 100")["steps_to_solve_median"]
    assert f"{steps.min():,.0f}" in drawn["distance"].headline
    audit = table("audit").query("part == 'time' and seq_len == 3000").dropna(subset=["value"])
    for value in audit["value"].iloc[[0, -1]]:
        assert style.times(value) in drawn["audit"].headline
    first = table("gradient_flow").query("seq_len == 100 and moment == 'before training'")
    ends = first.pivot(index="model", columns="position", values="gradient_median")
    for model, share in (ends[1] / ends[100]).items():
        name = f"vanishes in {style.title_of(model)}"
        assert drawn["gradient_flow"].headline.endswith(name) == (share < VANISHED)


def test_a_run_stopped_by_its_budget_is_marked(drawn, table):
    """One cross for each run that ended unsolved, at its budget, in the colour of its model."""
    cells, looks = table("recall_cells"), style.looks(table("recall_cells"))
    for axis, seq_len in zip(drawn["memory"].figure.axes, (25, 50, 100), strict=True):
        assert axis.get_title(loc="left") == f"{seq_len} tokens"
        for model, rows in cells[cells["seq_len"] == seq_len].groupby("model"):
            crosses = [
                line.get_xdata()
                for line in axis.lines
                if line.get_marker() == "x" and line.get_color() == looks[model]["color"]
            ]
            unsolved = rows[rows["solved_step"].isna()]
            assert [x for line in crosses for x in line] == unsolved["budget_steps"].tolist()


def test_steps_beyond_a_budget_are_not_joined_to_what_was_measured(drawn, table):
    right = drawn["distance"].figure.axes[1]
    medians = table("distance")["steps_to_solve_median"]
    joined = [line for line in right.lines if line.get_linestyle() not in ("None", "none")]
    drawn_at = {round(y) for line in joined for y in line.get_ydata() if math.isfinite(y)}
    assert drawn_at & set(table("distance")["budget_steps"]) == set()
    assert {round(m) for m in medians[np.isfinite(medians)]} <= drawn_at
    triangles = [line for line in right.lines if line.get_marker() == "^"]
    assert sum(len(line.get_ydata()) for line in triangles) == np.isinf(medians).sum()


def test_the_threshold_of_the_verdict_is_drawn(drawn):
    for axis in drawn["gradient_flow"].figure.axes:
        assert any(set(line.get_ydata()) == {VANISHED} for line in axis.lines)


def test_each_step_of_the_audit_has_its_number_of_runs(drawn, table):
    left = drawn["audit"].figure.axes[0]
    labels = [label.get_text() for label in left.get_yticklabels()]
    time = table("audit").query("part == 'time'")
    assert 0 in time["n"].tolist()  # one that this run lacks
    for label, (_, rows) in zip(labels, time.groupby("step"), strict=True):
        title, n = rows["title"].iloc[0], rows["n"].max()
        assert label == (f"{title}, n = {n}" if n else title)


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [([10, 50], [10, 50]), ([10, 10], [5, 15]), ([0, 8, 40], [-1, 9, 40])],
)
def test_labels_move_as_little_as_keeps_them_apart(wanted, placed):
    assert style.apart(wanted, [10] * len(wanted)) == pytest.approx(placed)


def test_many_labels_end_apart_and_in_their_order():
    wanted = sorted(np.random.default_rng(0).uniform(0, 100, 12))
    placed = style.apart(wanted, [9] * 12)
    assert (np.diff(placed) > 9 - 1e-9).all()
