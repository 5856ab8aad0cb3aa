"""Comparing two runs: cells, claims and environments of synthetic runs with known differences."""

import math

import pandas as pd
import pytest

from tests.synthetic import NAN, timed, trained
from workflow.seqbench.judging import compare as module
from workflow.seqbench.judging.compare import as_markdown, compare, main
from workflow.seqbench.results.schemas import schema

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


def times(factor=1.0, model="lstm", n=6, seed=0, **columns):
    """Timing cells of a model at 100 and 500 tokens; a calibration unit is 0.5 s."""
    cells = timed(lambda length: factor * length, model, n, (100, 500), seed=seed)
    columns = {"calibration_s": 0.5, "architecture": "lstm", "parameters": 1000} | columns
    cells = cells.assign(**MACHINE | columns)
    return cells.assign(time_calibrated=cells["time_s"] / cells["calibration_s"])


def runs(solved_step, model="lstm", **columns):
    """Recall cells of a model at 100 tokens."""
    columns = {"task": "first_token", "architecture": "lstm", "parameters": 1000} | columns
    return trained(solved_step, model, **{k: v for k, v in (MACHINE | columns).items()})


def claims(**verdicts):
    """A table of verdicts; a value is a verdict, or a verdict and what it depends on."""
    pairs = [(v, "") if isinstance(v, str) else v for v in verdicts.values()]
    frame = pd.DataFrame(pairs, columns=["verdict", "depends_on"])
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
    found = compare(run("a"), run("b", timing_cells=times(seed=1)))
    assert set(found["part"]) == {"timing", "recall", "claims"}
    assert set(part(found, "timing")["outcome"]) == {"equal"}
    assert part(found, "recall")["outcome"].tolist() == ["no difference shown"]
    assert part(found, "claims")["outcome"].tolist() == ["agrees"]


def test_a_run_against_itself(run):
    found = compare(run("a"), run("b"))
    assert part(found, "timing")["value"].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(0.5, "A faster"), (2, "A slower"), (1.05, "inconclusive")],
)
def test_times_are_compared_in_calibration_units(run, factor, outcome):
    """A machine that is three times slower at everything is not slower here."""
    slower = times(3 * factor, calibration_s=1.5)
    rows = part(compare(run("a", timing_cells=slower), run("b")), "timing")
    assert set(rows["outcome"]) == {outcome}
    assert rows["value"].tolist() == pytest.approx([factor, factor], rel=0.02)
    assert (rows["low"] < rows["value"]).all()


def test_processes_of_two_runs_are_no_pairs(run):
    """Runs of three and of six processes can be compared; two processes are not enough."""
    rows = part(compare(run("a", timing_cells=times(n=3)), run("b")), "timing")
    assert rows["low"].notna().all()
    assert rows["a"].iloc[0].endswith("(n = 3)")
    rows = part(compare(run("c", timing_cells=times(n=2)), run("d")), "timing")
    assert set(rows["outcome"]) == {"not enough runs"}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"batch_size": 8}, "batch_size is 8 in A, 1 in B"),
        ({"mode": "train"}, "mode is train in A, eval in B"),
        ({"d_model": 64}, "d_model is 64 in A, 128 in B"),
        ({"calls": "cold"}, "calls is cold in A, steady in B"),
        ({"workload": "decode"}, "workload is decode in A, forward in B"),
        ({"device": "cuda"}, "device is cuda in A, cpu in B"),
        ({"parameters": 999}, "parameters is 999 in A, 1000 in B"),
        ({"mode": "train", "parameters": None}, "mode is train in A, eval in B"),
    ],
)
def test_times_under_other_settings_are_not_compared(run, columns, reason):
    found = compare(run("a", timing_cells=times(**columns)), run("b"))
    rows = part(found, "timing")
    assert set(rows["outcome"]) == {f"not comparable: {reason}"}
    assert rows["value"].isna().all()
    text = as_markdown(found, "mine", "theirs")
    assert "- timing: 2 not comparable\n" in text and reason in text


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"vocabulary": 50}, "vocabulary is 50 in A, 100 in B"),
        ({"budget_steps": 500}, "budget_steps is 500 in A, 3000 in B"),
        ({"lr": 0.01}, "lr is 0.01 in A, 0.005 in B"),
        ({"d_model": 32}, "d_model is 32 in A, 64 in B"),
        ({"batch_size": 8}, "batch_size is 8 in A, 32 in B"),
        ({"task": "another"}, "task is another in A, first_token in B"),
    ],
)
def test_trainings_under_other_settings_are_not_compared(run, columns, reason):
    found = compare(run("a", recall_cells=runs([300] * 6, **columns)), run("b"))
    assert part(found, "recall")["outcome"].tolist() == [f"not comparable: {reason}"]
    assert set(part(found, "timing")["outcome"]) == {"equal"}


def test_only_the_cells_concerned_are_not_comparable(run):
    mine = pd.concat([times(), times(model="other", parameters=7)])
    theirs = pd.concat([times(), times(model="other")])
    found = compare(run("a", timing_cells=mine), run("b", timing_cells=theirs))
    kinds = part(found, "timing").groupby("model")["outcome"].unique().map(list).to_dict()
    said = "not comparable: parameters is 7 in A, 1000 in B"
    assert kinds == {"lstm": ["equal"], "other": [said]}
    assert "- timing: 2 equal, 2 not comparable\n" in as_markdown(found, "mine", "theirs")


def test_settings_that_no_column_names_are_said(run):
    found = compare(run("a", timing_cells=times(config_digest="d2")), run("b"))
    assert set(part(found, "timing")["outcome"]) == {"equal (other settings)"}
    assert "- timing: 2 equal\n" in as_markdown(found, "mine", "theirs")


def test_cells_of_one_run_only(run):
    mine = pd.concat([times(), times(model="mine")])
    theirs = pd.concat([times(), times(model="theirs")])
    found = compare(run("a", timing_cells=mine), run("b", timing_cells=theirs))
    kinds = part(found, "timing").groupby("model")["outcome"].unique().map(list).to_dict()
    assert kinds == {"lstm": ["equal"], "mine": ["only in A"], "theirs": ["only in B"]}


def test_cells_without_a_time_say_why(run):
    failed = times(status="out of memory", parameters=None).assign(time_calibrated=NAN)
    found = compare(run("a", timing_cells=failed), run("b"))
    assert set(part(found, "timing")["outcome"]) == {"no time: A out of memory"}


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
    found = compare(run("a", recall_cells=runs(mine)), run("b", recall_cells=runs(theirs)))
    [row] = part(found, "recall").itertuples()
    assert row.outcome == outcome
    assert row.a == f"{sum(not math.isnan(step) for step in mine)} of {len(mine)}"
    if outcome.startswith("A solves"):
        assert row.p == pytest.approx(2 / math.comb(12, 6))


@pytest.mark.parametrize(
    ("mine", "theirs", "outcome"),
    [
        (0, 6, "open: 6 runs were cut short"),  # six solved against six that might have been
        (6, 0, "open: 6 runs were cut short"),
        (0, 0, "A solves more"),
        (5, 5, "open: 10 runs were cut short"),
        (1, 0, "A solves more"),  # either way
    ],
)
def test_a_run_out_of_time_is_not_one_that_failed(run, mine, theirs, outcome):
    """So many of six runs, solved in A and not in B, ended at step 300 for their time."""

    def cells(solved, ended):
        frame = runs([solved] * 6)
        frame.loc[: ended - 1, ["status", "steps", "solved_step"]] = "over budget", 300, NAN
        return frame

    a, b = (
        run(name, recall_cells=cells(*of))
        for name, of in {"a": (300, mine), "b": (NAN, theirs)}.items()
    )
    [row] = part(compare(a, b), "recall").itertuples()
    assert row.outcome == outcome
    assert row.a == f"{6 - mine} of 6" and row.b == "0 of 6"
    assert f"- recall: 1 {outcome.split(':')[0]}\n" in as_markdown(compare(a, b), "a", "b")


def test_claims(run):
    mine = claims(
        same="refuted",
        other="supported",
        unsure="inconclusive",
        partly="holds where decided",
        where=("depends", "x: holds at 100 tokens"),
        gone="refuted",
    )
    theirs = claims(
        same="refuted",
        other="refuted",
        unsure="refuted",
        partly="supported",
        where=("depends", "x: holds at 500 tokens"),
        new="refuted",
    )
    rows = part(compare(run("a", verdicts=mine), run("b", verdicts=theirs)), "claims")
    assert dict(zip(rows["name"], rows["outcome"], strict=True)) == {
        "same": "agrees",
        "other": "disagrees",
        "unsure": "open",
        "partly": "open",
        "where": "agrees, under other conditions",
        "gone": "only in A",
        "new": "only in B",
    }
    assert rows["name"].tolist() == [*mine["claim"], "new"]
    other = run("c", verdicts=mine.assign(rule="another"))
    rows = part(compare(other, run("d", verdicts=mine)), "claims")
    assert set(rows["outcome"]) == {"not comparable: judged by another rule"}


def test_environments_are_listed_where_they_differ(run):
    mine = times(torch="2.14.0", cpu_model="another CPU", threads=2, governor="performance")
    rows = part(compare(run("a", timing_cells=mine), run("b")), "environment")
    assert rows["name"].tolist() == [
        f"timing: {name}" for name in ("cpu_model", "threads", "governor", "torch")
    ]
    assert rows[["a", "b"]].to_numpy().tolist()[-1] == ["2.14.0", "2.13.0"]


def test_a_part_that_a_run_lacks_is_said(run):
    found = compare(run("a", recall_cells=None, verdicts=None), run("b"))
    assert part(found, "recall")["outcome"].tolist() == [
        "not compared: no recall_cells.parquet in A"
    ]
    assert part(found, "claims")["outcome"].tolist() == ["not compared: no verdicts.parquet in A"]
    assert set(found["part"]) == {"timing", "recall", "claims"}


def test_the_command_prints_it(run, capsys):
    a = run("a", verdicts=claims(one="refuted"), timing_cells=times(2, torch="2.14.0"))
    b = run("b")
    assert main([str(a), str(b)]) == 0
    text = capsys.readouterr().out
    assert f"A: {a}. B: {b}." in text
    for said in ("- timing: 2 A slower\n", "- claims: 1 disagrees\n", "2.00 [", "timing: torch"):
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
        times().drop(columns="time_calibrated").to_parquet(a / "tables/timing_cells.parquet")
    assert main([str(a), str(b)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1
    assert str(a) in said
    expected = {
        "folder": f"there is no run to compare in {a}",
        "tables": "has none of verdicts, timing_cells, recall_cells",
        "damaged": "cannot be read",
        "columns": "no time_calibrated",
    }
    assert expected[what] in said


def test_columns_are_those_of_the_shards():
    """What is compared is what shards hold, or is derived from it in the table of cells."""
    for kind, name in (("timing", "timing"), ("training", "recall")):
        wanted = {*module.SETTINGS[name], *module.MODEL, *module.ENVIRONMENT, module.NUMBER[name]}
        assert wanted - {"time_calibrated"} <= set(schema(kind, name).names)


def test_any_run_can_be_the_other_one(project, tmp_path):
    """`against` names its folder; one that holds no run is a sentence."""
    tables = tmp_path / "other/tables"
    tables.mkdir(parents=True)
    for name in ("timing_cells", "recall_cells", "verdicts"):
        frame = pd.read_parquet(project / f"results/tables/{name}.parquet")
        if name == "timing_cells":
            frame = frame[frame["model"] != "transformer"]
        frame.to_parquet(tables / f"{name}.parquet")
    target = "results/tables/compare.md"
    project.snakemake(target, config={"against": str(tables.parent)})
    text = (project / target).read_text()
    assert text.startswith(f"A: results. B: {tables.parent}.")
    found = pd.read_parquet(project / "results/tables/compare.parquet")
    assert set(found.loc[found["outcome"] == "only in A", "model"]) == {"transformer"}

    output = project.snakemake(target, config={"against": "nowhere"}, expect=1)
    (sentence,) = {line for line in output.splitlines() if "Error: there is no run" in line}
    assert "no run to compare in nowhere: nowhere/tables has none of" in sentence
