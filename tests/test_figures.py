"""The figures of a made-up run: what they say is what the tables say, and nothing lies on anything.

Each is drawn by its rule's script; its texts and lines are read off before it is saved.
"""

import ast
import itertools
import math
import re
import shutil

import matplotlib.figure
import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from tests import realistic
from tests.conftest import ROOT
from workflow.scripts import (
    attention_figure,
    audit_figure,
    call_figure,
    causes_figure,
    curves_figure,
    rates_figure,
)
from workflow.seqbench.judging.statements import load
from workflow.seqbench.log import UserError
from workflow.seqbench.results import measures
from workflow.seqbench.results.selecting import EVERY, Run, Selection, select
from workflow.seqbench.showing import style

NAMES = list(realistic.FIGURES)
# Figures that are drawn of the published tables too: those in which most can go wrong.
PUBLISHED = ("decode", "memory", "forget_bias", "causes", "audit")
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
            (text.get_text(), matplotlib.text.Text.get_window_extent(text))  # without its leader
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
    return drawings(realistic.draw, made_up_run[0])


def drawings(draw, *arguments):
    """{name: Drawn} of what is drawn in a call."""
    read, save = {}, matplotlib.figure.Figure.savefig

    def keep(figure, path, **options):
        save(figure, path, **options)
        if path.suffix == ".svg":
            name = path.stem.removeprefix(".")  # of a file that is not yet in its place
            read[name] = Drawn(figure, path.with_name(f"{name}.png"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matplotlib.figure.Figure, "savefig", keep)
        draw(*arguments)
    return read


@pytest.fixture(scope="module")
def table(made_up_run):
    return lambda name: pd.read_parquet(made_up_run[0] / f"tables/{name}.parquet")


@pytest.fixture(scope="module")
def shown(drawn, tmp_path_factory):
    """A function: Drawn of a figure of the made-up run, or of the published one."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "tables").symlink_to(ROOT / "results/reference/cpu/tables")
    published = drawings(realistic.draw, folder, PUBLISHED)
    return lambda run, name: (drawn if run == "made up" else published)[name]


EACH = [("made up", name) for name in NAMES] + [("published", name) for name in PUBLISHED]


@pytest.mark.parametrize(("run", "name"), EACH)
def test_files_are_small(shown, run, name):
    figure, png = shown(run, name).figure, shown(run, name).png
    assert png.with_suffix(".svg").stat().st_size < 300_000
    assert png.stat().st_size < 550_000
    saved = np.array(imread(png).shape[1::-1]) / 200  # inches at savefig.dpi
    assert (saved < 2 * figure.get_size_inches()).all()


@pytest.mark.parametrize(("run", "name"), EACH)
def test_no_text_lies_on_another(shown, run, name):
    """Labels may lie on lines, in a white box; never on each other, nor outside of the picture."""
    shown = shown(run, name)
    for (a, first), (b, second) in itertools.combinations(shown.texts, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        touching = width > 1 and height > 2
        assert not touching, f"{a!r} touches {b!r}"


@pytest.mark.parametrize(
    ("run", "name"), [pair for pair in EACH if pair[1] in ("memory", "forget_bias")]
)
def test_no_name_lies_on_the_curve_of_another_model(shown, run, name):
    for axis in shown(run, name).figure.axes:
        named = [text for text in axis.texts if text.get_color() in PALETTE]
        for text, line in itertools.product(named, axis.lines):
            if line.get_color() not in (text.get_color(), "0.6"):  # nor on a floor
                path = line.get_transform().transform_path(line.get_path())
                box = matplotlib.text.Text.get_window_extent(text)
                assert not path.intersects_bbox(box, filled=False), text.get_text()


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
    for row in table("recall").query("seq_len == 100").itertuples():
        name = re.escape(style.title_of(row.model))
        (group,) = (
            part
            for part in re.split(r",? (?=in \d)", drawn["memory"].headline)
            if re.search(rf"{name}(?! \()", part)
        )
        assert group.startswith(f"in {row.solved} of {row.n} runs by")
    steps = table("distance").query("seq_len == 100")["steps_to_solve_median"]
    assert f"{steps.min():,.0f}" in drawn["distance"].headline
    audit = table("audit").query("part == 'time' and seq_len == 3000").dropna(subset=["value"])
    values = audit.set_index("statement")["value"]
    printed, proper, fused = values[["time_printed", "time_matched", "time_fused"]].map(style.times)
    said = rf"properly, the {printed} .* become {proper}, {fused} with fused attention"
    assert re.search(said, drawn["audit"].headline)
    first = table("gradient_flow").query("seq_len == 100 and moment == 'before training'")
    ends = first.pivot(index="model", columns="position", values="gradient_median")
    for model, share in ends[1].items():
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
    joined = [line for line in right.lines if line.get_color() in PALETTE]
    joined = [line for line in joined if line.get_linestyle() not in ("None", "none")]
    drawn_at = {round(y) for line in joined for y in line.get_ydata() if math.isfinite(y)}
    assert drawn_at & set(table("distance")["budget_steps"]) == set()
    assert {round(m) for m in medians[np.isfinite(medians)]} <= drawn_at
    above = style.NOT_SOLVED * table("distance")["budget_steps"].max()
    beyond = [line.get_ydata() for line in right.lines if line.get_markerfacecolor() == "white"]
    assert [*np.concatenate(beyond)] == [above] * np.isinf(medians).sum()
    for model in table("distance")[np.isinf(medians)].query("seq_len == 100")["model"]:
        assert f"; {style.title_of(model)} gets there in 0 of 6" in drawn["distance"].headline


def test_the_line_of_the_audit_ends_at_the_proper_step(drawn, table):
    """What changes one thing of that step is no further step of the line."""
    steps = table("audit").query("part == 'time'").groupby("statement")["step"].first()
    places = [line.get_ydata() for line in drawn["audit"].figure.axes[0].lines]
    joined = [max(y) for y in places if len(set(y)) > 2]
    assert {*joined} == {steps[audit_figure.PROPER] - 1}
    assert audit_figure.BESIDE in steps


def test_times_are_relative_to_the_reference_without_cells_of_its_own(table):
    cells, panel = table("timing_cells"), style.SPEC["panels"]["log"]
    with_it, without = (
        call_figure.relative(
            [Selection(*part) for part in some.groupby("model", sort=False)], panel
        )
        for some in (cells, cells[cells["model"] != "lstm"])
    )
    assert without == f"{with_it}, which is not drawn" and "the LSTM's time" in with_it
    (one,) = ([Selection(*part)] for part in cells.query("model == 'transformer'").groupby("model"))
    assert re.search(r"Transformer \(original\) takes \d+× the", call_figure.relative(one, panel))


def test_a_few_pages_of_ram_do_not_grow(table):
    cells, panel = table("timing_cells"), style.SPEC["panels"]["ram"]
    models = [Selection(*part) for part in cells.groupby("model", sort=False)]
    title = call_figure.growth(models, panel)
    one = cells[cells["model"] == "lstm"]
    pages = Selection("pages", one.assign(call_ram_bytes=8192 - one["seq_len"]))
    assert call_figure.growth([*models, pages], panel) == title != "How RAM grows"
    assert call_figure.growth([pages], panel) == "How RAM grows"


def test_what_lies_below_the_gradients_shown_is_a_number(drawn, table):
    last = table("gradient_flow").query("seq_len == 100 and position == 1")
    below = (last["gradient_median"] < 1e-9).sum()
    assert sum(text.startswith("↓") for text, _ in drawn["gradient_flow"].texts) == below > 0


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


# A model looks the same in all figures.

PALETTE = {color for family in style.SPEC["families"].values() for color in family["colors"]}
EVERYWHERE = ("None", "x", "^", ".", "|", "_")  # marks that are no model's


def models_of(name, table):
    """Models that a figure shows."""
    if name == "audit":
        measured = table("audit").query("n > 0")
        return {model.split(" / ")[0] for model in measured["models"]}
    if name == "causes":
        rows = [row for panel in style.SPEC["causes"].values() for row in panel.values()]
        learned = {"transformer"}  # reads nothing longer, so that it has a row without marks
        return {row[1] for row in rows} - learned | {*table("forget_bias")["model"]}
    if name == "readout":
        return {model for pair in style.SPEC["readout"].values() for model in pair}
    return {*table(realistic.FIGURES[name][1].removesuffix("_cells"))["model"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_keeps_its_colour_and_its_marker(drawn, table, name):
    models = pd.DataFrame({"model": sorted(models_of(name, table)), "architecture": ""})
    looks = style.looks(models).values()
    lines = [line for axis in drawn[name].figure.axes for line in axis.lines]
    lines = [line for line in lines if line.get_color() in PALETTE and len(line.get_xdata())]
    marks = {(line.get_color(), line.get_marker()) for line in lines}
    marks = {mark for mark in marks if mark[1] not in EVERYWHERE}
    assert {line.get_color() for line in lines} == {look["color"] for look in looks}
    assert marks in (set(), {(look["color"], look["marker"]) for look in looks})


# They are read on a page, and each says on what it stands.


@pytest.mark.parametrize("name", NAMES)
def test_the_text_can_be_read_at_the_width_of_a_page(drawn, name):
    """On 830 pixels, as GitHub shows a README."""
    figure = drawn[name].figure
    assert figure.get_figwidth() <= 10
    pixels = 830 / figure.get_tightbbox().width / 72
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) * min(pixels, 2) > 8


def test_footers_are_those_of_one_file():
    """Scripts name them; each is of use."""
    named = set()
    for path in ROOT.glob("workflow/scripts/*_figure.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "style.drawing":
                footer = node.args[2]
                if isinstance(footer, ast.Name):  # chosen above
                    footer = re.search(rf"{footer.id} = .*", path.read_text())[0]
                    named |= set(re.findall(r'"(\w+)"', footer)) & set(style.SPEC["footers"])
                else:
                    assert footer.value in style.SPEC["footers"], path
                    named.add(footer.value)
    assert named == set(style.SPEC["footers"])


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_table_is_named(made_up_run, tmp_path, name):
    shutil.copytree(made_up_run[0] / "tables", tmp_path / "tables")
    table = realistic.FIGURES[name][1]
    path = tmp_path / f"tables/{table[0] if isinstance(table, tuple) else table}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path.name} is damaged"):
        realistic.draw(tmp_path, [name])


# What each of them makes of a run.


def test_causes_are_those_of_the_measures(drawn, made_up_run, table):
    run = Run.of_files(made_up_run[0].glob("tables/*_cells.parquet"))
    titles = [axis.get_title(loc="left") for axis in drawn["causes"].figure.axes]
    titles = [" ".join(title.split()) for title in titles]
    dose, noise, interventions, moments, followed, longer = titles
    biases = select(run, "forget_bias", EVERY)
    right = [measures.gradient_predicts(biases.at(n), VANISHED).value for n in (25, 50)]
    assert f"{100 * min(right):.0f} % to {100 * max(right):.0f} %" in dose
    sides = [select(run, f"forget_bias_batch{n}", "lstm_bias_2", 25) for n in (8, 128)]
    assert style.times(measures.steps_ratio(*sides).value) in noise
    cut = select(run, "gradient_cut", "lstm_chrono_cut", 50).cells["solved_step"]
    assert f"gradient cut {cut.count()} of {len(cut)}" in drawn["causes"].headline
    assert "3 of 5" in interventions  # of the made-up run: not the default, not the cut one
    leads = table("readout_cells").query("model == 'transformer_last'")
    leads = leads.groupby("seq_len")["attention_lead_steps"].median()
    assert f"{leads.min():+.0f} to {leads.max():+.0f} steps" in moments
    assert "other's cell state" in followed and "hidden" not in followed
    cells = table("recall_cells").query("model == 'transformer_matched' and seq_len == 100")
    assert f"Transformer {100 * cells['accuracy_2x'].median():.0f} %" in longer
    texts = [text for text, _ in drawn["causes"].texts]
    assert "cannot: positions are learned" in texts
    for name in ("0", "1", "1.5", "2", "3", "4", "5", "6", "chrono"):
        assert texts.count(name) >= 2, "a cluster of each length has its name"


def test_causes_say_how_many_runs_each_share_is_of(made_up_run, tmp_path):
    """Answers are asked of solved runs: here of two, and of none of the others."""
    shutil.copytree(made_up_run[0] / "tables", tmp_path / "tables")
    path = tmp_path / "tables/recall_cells.parquet"
    cells = pd.read_parquet(path)
    lost = (cells["model"] == "lstm_chrono") & (cells["seed"] > 1)
    lost |= cells["model"] == "transformer_matched"
    cells = cells.assign(solved=cells["solved"] & ~lost)
    cells.to_parquet(path)
    shown = drawings(realistic.draw, tmp_path, ["causes"])["causes"]
    labels = [label.get_text() for label in shown.figure.axes[-1].get_yticklabels()]
    assert labels[:3] == ["chrono LSTM, 2×, n = 2", "chrono LSTM, 4×, n = 2", "Transformer, 2×"]
    assert [text for text, _ in shown.texts].count("no solved run") == 2


def test_causes_without_what_is_shown_beside_them(made_up_run, tmp_path):
    tables = made_up_run[0] / "tables"
    paths = [tables / f"{name}.parquet" for name in realistic.OF_CAUSES]
    files = [tmp_path / f"causes.{suffix}" for suffix in ("png", "svg")]
    arguments = paths, [], realistic.CAUSES, realistic.STYLE, *files
    shown = drawings(causes_figure.main, *arguments)["causes"]
    texts = [text.replace("\n", " ") for text, _ in shown.texts]
    assert "Gradient noise: one batch size in this run" in texts
    assert texts.count("not in this run") == 4 and texts.count("no solved run") == 2


def test_a_window_of_rates_that_reaches_the_last_one_tried_is_at_least_so_wide(tmp_path):
    """Two models, three rates; the window of the second begins at the lowest."""
    rows = [("lstm", 0.001, 0), ("lstm", 0.003, 2), ("lstm", 0.01, 1)]
    rows += [("gru", 0.001, 2), ("gru", 0.003, 2), ("gru", 0.01, 0)]
    table = pd.DataFrame(rows, columns=["model", "lr", "solved"])
    table = table.assign(architecture=table["model"], seq_len=25, n=2, budget_steps=3000)
    table["chosen"] = [False, True, False, True, False, False]
    conditions = {"device_name": "a CPU", "torch": "2", "threads": 1}
    cells = pd.concat([table, table]).assign(**conditions)
    for name, frame in (("table", table), ("cells", cells)):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    paths = [tmp_path / name for name in ("table.parquet", "cells.parquet")]
    files = [tmp_path / f"rates.{suffix}" for suffix in ("png", "svg")]
    shown = drawings(rates_figure.main, *paths, realistic.STYLE, *files)["rates"]
    span = "At 25 tokens the rates that work span one rate for LSTM to ≥ 3× for GRU"
    assert shown.headline == span
    texts = [text for text, _ in shown.texts]
    assert {"one rate", "≥ 3×"} <= {*texts}
    assert "n = 2 tuning seeds" in shown.footer
    fills = [
        line.get_fillstyle() for line in shown.figure.axes[0].lines if line.get_color() != "C0"
    ]
    assert {"none", "full", "left"} <= {*fills}


def test_attention_of_a_model_that_no_run_solved_is_not_what_was_found(table):
    attention = table("attention").query("seq_len == 100")
    solved = attention[attention["model"] == "transformer_matched"]
    assert "Transformer (matched)" in attention_figure.finding(solved, 100)
    assert "No model" in attention_figure.finding(attention.iloc[:0], 100)


def test_a_model_that_adds_no_ram_is_named_where_zero_cannot_be_drawn(table, tmp_path):
    rows, cells = table("decode"), table("decode_cells")
    paths = [tmp_path / "decode.parquet", tmp_path / "decode_cells.parquet"]
    for frame, path in zip((rows, cells), paths, strict=True):
        is_lstm = frame["model"] == "lstm"
        frame.assign(call_ram_bytes=frame["call_ram_bytes"].mask(is_lstm, 0)).to_parquet(path)
    more = [ROOT / "workflow/figures.mplstyle", ["log", "ram"], False]
    files = [tmp_path / "decode.png", tmp_path / "decode.svg"]
    shown = drawings(call_figure.main, *paths, *more, *files)["decode"]
    assert [text for text, _ in shown.texts if text.startswith("LSTM")] == ["LSTM", "LSTM: 0"]
    assert shown.headline.startswith("One decoded token: at 4,000 tokens ")

    for frame, path in zip((rows, cells), paths, strict=True):
        frame.assign(call_ram_bytes=0).to_parquet(path)
    nothing = drawings(call_figure.main, *paths, *more, *files)["decode"]
    assert sum(text.endswith(": 0") for text, _ in nothing.texts) == rows["model"].nunique()


def test_the_headline_of_attention_is_of_solved_models(made_up_run, tmp_path):
    shutil.copytree(made_up_run[0] / "tables", tmp_path / "tables")
    path = tmp_path / "tables/recall_cells.parquet"
    cells = pd.read_parquet(path)
    found = drawings(realistic.draw, tmp_path, ["attention"])["attention"].headline
    (first,) = (m for m in cells["model"].unique() if style.title_of(m) in found and "trans" in m)
    cells.loc[cells["model"] == first, "solved_step"] = np.nan
    cells.to_parquet(path)
    without = drawings(realistic.draw, tmp_path, ["attention"])["attention"].headline
    assert style.title_of(first) not in without and "Transformer" in without


def test_a_model_that_never_trained_is_named_with_its_reason(made_up_run, tmp_path):
    """Its cells have no step, and there are no curves of it; one cell of another failed too."""
    shutil.copytree(made_up_run[0] / "tables", tmp_path / "tables")
    paths = [tmp_path / f"tables/recall{part}.parquet" for part in ("", "_cells", "_curves")]
    _, cells, curves = map(pd.read_parquet, paths)
    failed = (cells["model"] == "transformer") & (cells["seq_len"] == 100)
    failed |= (cells["model"] == "lstm") & (cells["seq_len"] == 50) & (cells["seed"] == 0)
    untrained = {"steps": 0, "status": "out of memory", "solved_step": np.nan}
    cells.loc[failed, list(untrained)] = list(untrained.values())
    keys = ["model", "seq_len", "seed"]
    gone = pd.MultiIndex.from_frame(cells.loc[failed, keys])
    curves = curves[~pd.MultiIndex.from_frame(curves[keys]).isin(gone)]
    cells.to_parquet(paths[1])
    curves.to_parquet(paths[2])
    files = [tmp_path / f"memory.{suffix}" for suffix in ("png", "svg")]
    shown = drawings(curves_figure.main, *paths, realistic.STYLE, *files)["memory"]
    texts = [text for text, _ in shown.texts]
    assert any(re.match(r"Transformer \(original\), \d of 6, 6 out of memory", t) for t in texts)
    assert "LSTM, 0 of 6, 1 out of memory" in texts
    curves.iloc[:0].to_parquet(paths[2])
    cells.assign(steps=0).to_parquet(paths[1])
    shown = drawings(curves_figure.main, *paths, realistic.STYLE, *files)["memory"]
    assert sum(bool(re.search(r", \d of 6", text)) for text, _ in shown.texts) == 4 * 3


AGAIN = """
import hashlib, os
from pathlib import Path
from workflow.scripts.curves_figure import main

tables = Path("results/reference/cpu/tables")
files = [tables / f"recall{part}.parquet" for part in ("", "_cells", "_curves")]
drawn = [Path(os.environ["FOLDER"], f"memory.{suffix}") for suffix in ("png", "svg")]
main(*files, "workflow/figures.mplstyle", *drawn)
print(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in drawn))
"""


def test_the_same_figure_gives_the_same_file_in_each_process(run_python, tmp_path):
    """The solver of layouts differs in its last digits, by where the system puts its variables."""
    assert len({run_python(AGAIN, FOLDER=str(tmp_path)) for _ in range(4)}) == 1
