"""Comparing two runs: cells, claims and environments of synthetic runs with known differences."""

import math

import pandas as pd
import pytest

from tests.test_verdicts import timed, trained
from workflow.seqbench import compare as module
from workflow.seqbench.compare import compare, for_people, main

MACHINE = {
    "device": "cpu",
    "device_name": "a CPU",
    "cpu_model": "a CPU",
    "cpu_cores": 2,
    "threads": 1,
    "interop_threads": 1,
    "governor": None,
    "kernel": "Linux 6",
    "python": "3.11.1",
    "torch": "2.13.0",
    "git_commit": "abc",
    "git_dirty": False,
    "config_digest": "d1",
    "status": "ok",
}
NAN = math.nan


def times(factor=1.0, model="lstm", n=6, seed=0, **columns):
    """Timing cells of a model at 100 and 500 tokens; a calibration unit is 0.5 s."""
    cells = timed(lambda length: factor * length, model, n, (100, 500), seed=seed)
    columns = {"calibration_s": 0.5, "architecture": "lstm", "parameters": 1000} | columns
    return cells.assign(**MACHINE | columns)


def runs(solved_step, model="lstm", **columns):
    """Recall cells of a model at 100 tokens."""
    columns = {"task": "first_token", "architecture": "lstm", "parameters": 1000} | columns
    return trained(solved_step, model, **{k: v for k, v in (MACHINE | columns).items()})


def claims(**verdicts):
    """A table of verdicts; a value is a verdict, or verdict and condition."""
    pairs = [(v, "") if isinstance(v, str) else v for v in verdicts.values()]
    frame = pd.DataFrame(pairs, columns=["verdict", "condition"])
    return frame.assign(claim=list(verdicts), rule="says")


@pytest.fixture
def run(tmp_path):
    """Write a run's tables; what is not given is the same in every run."""

    def write(name, **tables):
        given = {"timing_cells": times(), "recall_cells": runs([300] * 6)}
        given |= {"verdicts": claims(one="supported")} | tables
        (tmp_path / name / "tables").mkdir(parents=True)
        for table, frame in given.items():
            if frame is not None:
                frame.to_parquet(tmp_path / name / "tables" / f"{table}.parquet")
        return tmp_path / name

    return write


def part(found, name):
    return found[found["part"] == name].reset_index(drop=True)


def test_two_equal_runs_agree_in_everything(run):
    found = compare(run("a"), run("b", timing_cells=times(seed=1)), 0.05)
    assert set(found["part"]) == {"timing", "recall", "claim"}
    assert set(part(found, "timing")["outcome"]) == {"equal"}
    assert part(found, "recall")["outcome"].tolist() == ["no difference shown"]
    assert part(found, "claim")["outcome"].tolist() == ["agrees"]


def test_a_run_against_itself(run):
    found = compare(run("a"), run("b"), 0.05)
    assert part(found, "timing")["value"].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(0.5, "A faster"), (2, "A slower"), (1.05, "inconclusive")],
)
def test_times_are_compared_in_calibration_units(run, factor, outcome):
    """A machine that is three times slower at everything is not slower here."""
    slower = times(3 * factor, calibration_s=1.5)
    rows = part(compare(run("a", timing_cells=slower), run("b"), 0.05), "timing")
    assert set(rows["outcome"]) == {outcome}
    assert rows["value"].tolist() == pytest.approx([factor, factor], rel=0.02)
    assert (rows["low"] < rows["value"]).all()


def test_processes_of_two_runs_are_no_pairs(run):
    """Runs of three and of six processes can be compared; two processes are not enough."""
    rows = part(compare(run("a", timing_cells=times(n=3)), run("b"), 0.05), "timing")
    assert rows["low"].notna().all()
    assert rows["a"].iloc[0].endswith("(n = 3)")
    rows = part(compare(run("c", timing_cells=times(n=2)), run("d"), 0.05), "timing")
    assert set(rows["outcome"]) == {"not enough runs"}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"batch_size": 8}, "batch_size"),
        ({"mode": "train"}, "mode"),
        ({"d_model": 64}, "d_model"),
        ({"calls": "cold"}, "calls"),
        ({"device": "cuda"}, "device"),
        ({"parameters": 999}, "parameters"),
    ],
)
def test_times_under_other_settings_are_not_compared(run, columns, reason):
    found = compare(run("a", timing_cells=times(**columns)), run("b"), 0.05)
    rows = part(found, "timing")
    assert set(rows["outcome"]) == {f"not comparable: {reason}"}
    assert rows["value"].isna().all()
    [setting] = part(found, "setting").itertuples()
    assert (setting.name, setting.outcome) == (f"timing: {reason}", "not comparable: 2 of 2 cells")
    assert setting.a == str(columns[reason])
    assert f"timing: {reason} is {columns[reason]} in A" in for_people(found, "mine", "theirs")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"vocabulary": 50}, "vocabulary"),
        ({"budget_steps": 500}, "budget_steps"),
        ({"lr": 0.01}, "lr"),
        ({"d_model": 32}, "d_model"),
        ({"batch_size": 8}, "batch_size"),
        ({"task": "another"}, "task"),
    ],
)
def test_trainings_under_other_settings_are_not_compared(run, columns, reason):
    found = compare(run("a", recall_cells=runs([300] * 6, **columns)), run("b"), 0.05)
    assert part(found, "recall")["outcome"].tolist() == [f"not comparable: {reason}"]
    assert set(part(found, "timing")["outcome"]) == {"equal"}


def test_only_the_cells_concerned_are_not_comparable(run):
    mine = pd.concat([times(), times(model="other", parameters=7)])
    theirs = pd.concat([times(), times(model="other")])
    found = compare(run("a", timing_cells=mine), run("b", timing_cells=theirs), 0.05)
    kinds = part(found, "timing").groupby("model")["outcome"].unique().map(list).to_dict()
    assert kinds == {"lstm": ["equal"], "other": ["not comparable: parameters"]}
    assert part(found, "setting")["outcome"].tolist() == ["not comparable: 2 of 4 cells"]


def test_settings_that_no_column_names_are_said(run):
    found = compare(run("a", timing_cells=times(config_digest="d2")), run("b"), 0.05)
    assert set(part(found, "timing")["outcome"]) == {"equal (other settings)"}
    assert part(found, "setting")["outcome"].tolist() == [
        "compared, differently set up: 2 of 2 cells"
    ]


def test_cells_of_one_run_only(run):
    mine = pd.concat([times(), times(model="mine")])
    theirs = pd.concat([times(), times(model="theirs")])
    found = compare(run("a", timing_cells=mine), run("b", timing_cells=theirs), 0.05)
    kinds = part(found, "timing").groupby("model")["outcome"].unique().map(list).to_dict()
    assert kinds == {"lstm": ["equal"], "mine": ["only in A"], "theirs": ["only in B"]}


def test_cells_without_a_time_say_why(run):
    failed = times(status="out of memory", parameters=None).assign(time_s=NAN)
    found = compare(run("a", timing_cells=failed), run("b"), 0.05)
    assert set(part(found, "timing")["outcome"]) == {"no time: A out of memory"}
    assert part(found, "setting").empty


@pytest.mark.parametrize(
    ("mine", "theirs", "outcome"),
    [
        ([300] * 6, [NAN] * 6, "A solves more"),
        ([NAN] * 6, [300] * 6, "A solves less"),
        ([300] * 6, [300] * 4 + [NAN] * 2, "no difference shown"),
        ([300] * 3, [NAN] * 3, "not enough runs"),
    ],
)
def test_solved_runs(run, mine, theirs, outcome):
    found = compare(run("a", recall_cells=runs(mine)), run("b", recall_cells=runs(theirs)), 0.05)
    [row] = part(found, "recall").itertuples()
    assert row.outcome == outcome
    assert row.a == f"{sum(not math.isnan(step) for step in mine)} of {len(mine)}"
    if outcome.startswith("A solves"):
        assert row.p == pytest.approx(2 / math.comb(12, 6))


def test_claims(run):
    mine = claims(
        same="refuted",
        other="supported",
        unsure="inconclusive",
        where=("conditional", "x: holds at 100 tokens"),
        gone="refuted",
    )
    theirs = claims(
        same="refuted",
        other="refuted",
        unsure="refuted",
        where=("conditional", "x: holds at 500 tokens"),
        new="refuted",
    )
    rows = part(compare(run("a", verdicts=mine), run("b", verdicts=theirs), 0.05), "claim")
    assert dict(zip(rows["name"], rows["outcome"], strict=True)) == {
        "same": "agrees",
        "other": "disagrees",
        "unsure": "open",
        "where": "agrees, under other conditions",
        "gone": "only in A",
        "new": "only in B",
    }
    other = run("c", verdicts=mine.assign(rule="another"))
    assert (
        "another rule" in part(compare(other, run("d", verdicts=mine), 0.05), "claim")["outcome"][0]
    )


def test_environments_are_listed_where_they_differ(run):
    mine = times(torch="2.14.0", cpu_model="another CPU", threads=2, governor="performance")
    rows = part(compare(run("a", timing_cells=mine), run("b"), 0.05), "environment")
    assert rows["name"].tolist() == [
        f"timing: {name}" for name in ("cpu_model", "threads", "governor", "torch")
    ]
    assert rows[["a", "b"]].to_numpy().tolist()[-1] == ["2.14.0", "2.13.0"]


def test_a_part_that_a_run_lacks_is_said(run):
    found = compare(run("a", recall_cells=None, verdicts=None), run("b"), 0.05)
    assert part(found, "setting")["outcome"].tolist() == [
        "not compared: no recall_cells.parquet in A",
        "not compared: no verdicts.parquet in A",
    ]
    assert set(found["part"]) == {"setting", "timing"}


def test_the_command_prints_it(run, capsys):
    a = run("a", verdicts=claims(one="refuted"), timing_cells=times(2, torch="2.14.0"))
    b = run("b")
    assert main([str(a), str(b)]) == 0
    text = capsys.readouterr().out
    assert f"A: {a}. B: {b}." in text
    for said in (
        "- 2 timing cells: 2 A slower",
        "- 1 claims: 1 disagrees",
        "2.00 [",
        "## What else",
    ):
        assert said in text
    assert "nan" not in text


@pytest.mark.parametrize("what", ["folder", "tables", "damaged", "columns"])
def test_bad_input_is_one_sentence(run, tmp_path, capsys, what):
    b = run("b")
    a = tmp_path / "a"
    if what != "folder":
        (a / "tables").mkdir(parents=True)
    if what == "damaged":
        (a / "tables/timing_cells.parquet").write_text("no parquet")
    if what == "columns":
        times().drop(columns="calibration_s").to_parquet(a / "tables/timing_cells.parquet")
    assert main([str(a), str(b)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1
    assert str(a) in said
    expected = {
        "folder": "the folder does not exist",
        "tables": "has none of timing_cells.parquet, recall_cells.parquet, verdicts.parquet",
        "damaged": "cannot be read",
        "columns": "no calibration_s",
    }
    assert expected[what] in said


def test_columns_are_those_of_the_shards():
    """What is compared is what shards hold, but for lists and what identifies a cell."""
    from workflow.seqbench.recall.shard import schema as recall
    from workflow.seqbench.timing.shard import schema as timing

    for name, schema in (("timing", timing("timing")), ("recall", recall())):
        wanted = {*module.SETTINGS[name], *module.NUMBERS[name], *module.ENVIRONMENT}
        assert wanted <= set(schema.names)
