"""The audit that ships, on data with a known answer: its steps, its gaps, its table and its figure."""

import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, shipped
from tests.synthetic import LENGTHS, NAN, TRAINED, run, timed
from workflow.scripts import audit_figure
from workflow.seqbench.config import check
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.judging.statements import load
from workflow.seqbench.judging.verdicts import audit_table
from workflow.seqbench.models import TOLERANCE
from workflow.seqbench.showing import style, tables

STATEMENTS = load(ROOT / "workflow/statements/audit.yaml")
ORIGINAL = {
    f"original_{name}_cells": pd.read_csv(ROOT / f"workflow/original/original_{name}_cells.csv")
    for name in ("timing", "recall")
}
BASE = 0.01  # seconds of the LSTM at every length, and how many times that each model takes
RATIOS = {"lstm": 1, "transformer": 8, "transformer_matched": 2, "transformer_sdpa_matched": 1.5}


def times(models, mode, slower=1, **columns):
    """Cells whose processes differ, alike for all models: so every paired ratio is exact."""
    cells = pd.concat(
        timed(
            lambda n, m=m: BASE * RATIOS[m] * (1 if m == "lstm" else slower), m, spread=0, mode=mode
        )
        for m in models
    )
    process = 1 + cells["seed"] / 10
    more = {"reference": "lstm", "reference_time_s": BASE * process, **columns}
    more |= {"device_name": "a CPU", "threads": 1, "torch": "2.13.0"}
    return cells.assign(time_s=cells["time_s"] * process, **more)


def trainings(models, budget=3000):
    """Cells and curves; models: {name: steps to solve of each seed, NaN for never}.

    The loss is 4 until a run is solved and 1 from then on; a solved run trains 100 steps more.
    """
    cells, losses = [], []
    for model, solved in models.items():
        for seed, solved_step in enumerate(solved):
            steps = budget if math.isnan(solved_step) else min(budget, int(solved_step) + 100)
            key = {"model": model, "seq_len": 100, "seed": seed}
            ends = {"steps": steps, "budget_steps": budget, "solved_step": solved_step}
            rate = {"lr": 0.002} if model == "lstm_chrono" else {}
            cells.append(key | {"status": "ok"} | ends | TRAINED | rate)
            step = np.arange(1, steps + 1)
            loss = np.where(step > solved_step, 1.0, 4.0)  # never above NaN
            losses.append(pd.DataFrame({**key, "step": step, "train_loss": loss}))
    return pd.DataFrame(cells), pd.concat(losses, ignore_index=True)


EXPERIMENTS = {  # steps to solve of each seed, and the budget
    "recall_original": ({"lstm": [NAN] * 6, "transformer": [450, NAN, NAN, NAN, NAN, NAN]}, 500),
    "recall": (
        {
            "lstm": [NAN] * 5,
            "lstm_chrono": [1500, 1600, 1700, 1800, NAN],
            "transformer": [600, 700, NAN, NAN, NAN],
            "transformer_matched": [200, 200, 225, 300, 325],
        },
        3000,
    ),
    "recall_audit": (
        {"transformer_no_dropout": [450, 500, 525, 600, 700], "transformer_small": [300] * 5},
        3000,
    ),
    "readout": ({"lstm_mean": [900] * 5, "transformer_last": [1200] * 5}, 3000),
}


@cache
def whole_run():
    """The tables of a run with every step; copy them before a change."""
    tables = ORIGINAL | {
        "timing_original_cells": times(["lstm", "transformer"], "train", 5, calls="cold"),
        "timing_audit_cells": times(["transformer"], "train", slower=4),
        "timing_audit_malloc_cells": times(["transformer"], "train", slower=3),
        "timing_cells": times(RATIOS, "eval"),
        "timing_system_cells": times(["transformer_matched"], "eval", slower=1.5),
        "timing_threads2_cells": times(["transformer_matched"], "eval", slower=3),
        "timing_batch32_cells": times(["transformer_matched"], "eval", batch_size=32),
    }
    for name, (models, budget) in EXPERIMENTS.items():
        cells, losses = trainings(models, budget)
        tables |= {f"{name}_cells": cells.assign(experiment=name), f"{name}_curves": losses}
    return tables


@pytest.fixture
def given():
    return {name: frame.copy() for name, frame in whole_run().items()}


def audit(given):
    return audit_table(STATEMENTS, findings(STATEMENTS, run(**given)))


def ratios(given):
    """The steps that change the time, by step and length."""
    table = audit(given)
    return table[table["part"] == "time"].set_index(["step", "seq_len"])


def recall(given):
    """The steps that change the trainings, by step, model and what was measured."""
    table = audit(given)
    table = table[table["part"] == "recall"]
    measured = (table["measure"] + " " + table["options"]).str.strip()
    return table.set_index([table["step"], table["condition"], measured])


def test_the_notebooks_numbers():
    """Those of the notebook's own output."""
    timing = ORIGINAL["original_timing_cells"].pivot(
        index="seq_len", columns="model", values="time_s"
    )
    assert timing.index.tolist() == list(LENGTHS)
    assert timing["lstm"].tolist() == [0.0721, 0.0068, 0.0115, 0.0212, 0.0265]
    assert timing["transformer"].tolist() == [0.0630, 0.0827, 0.2398, 0.8487, 1.9769]
    last = ORIGINAL["original_recall_cells"].set_index("model")
    assert last["final_train_loss_nats"].to_dict() == {"lstm": 4.6341, "transformer": 3.9678}
    for column, value in {"seq_len": 100, "steps": 500, "budget_steps": 500, "lr": 0.005}.items():
        assert (last[column] == value).all()


def test_numbers_in_the_sentences_are_those_of_the_experiments():
    """Each number that a sentence says, with what it is taken from; and no other number."""
    plan = check(shipped("workflow/presets/full.yaml"), local=False)
    steps = {
        name: {plan.settings(name, **cell)["steps"] for cell in plan.cells(name)}
        for name in ("recall_original", "recall")
    }
    (short,), (long,) = steps["recall_original"], steps["recall"]
    printed = set(ORIGINAL["original_recall_cells"]["steps"])
    assert printed == {short}
    heads, ceiling = plan.config["models"]["transformer_matched"]["heads"], 32 << 20  # of glibc
    mapped = next(n for n in range(1, 5000) if 4 * heads * n * n > ceiling)
    said = {
        "time_matched": f"{100 * TOLERANCE:.0f} %",
        "time_buffers": "32 MB",
        "time_system": f"{mapped:,} tokens, 32 MB",
        "time_batch": f"{plan.experiments['timing_batch32']['batch_size']} sequences",
        "recall_printed": f"{short} steps",
        "recall_original": f"{short} steps",
        "recall_budget": f"{long:,} steps, {short}",
    }
    for statement in STATEMENTS:
        expected = re.findall(r"\d[\d,]*\d|\d", said.get(statement["id"], ""))
        assert re.findall(r"\d[\d,]*\d|\d", statement["sentence"]) == expected, statement["id"]


def test_trainings_by_the_originals_protocol_end_at_its_steps():
    """Solved or not: no run goes on past them, and none ends before."""
    part = check(shipped()).experiments["recall_original"]
    assert part["steps"] == part["steps_after_solved"] == 500


def test_ratios_are_those_of_the_steps(given):
    table = ratios(given)
    assert len(table) == len(LENGTHS) * 10
    at = table.xs(3000, level="seq_len")
    expected = [1.9769 / 0.0265, 8 * 5, 8 * 4, 8 * 3, 8, 2, 2 * 1.5, 2 * 3, 2, 1.5]
    assert at["value"].tolist() == pytest.approx(expected)
    # What slows a process down slows both models: intervals of times in turns are points.
    measured = at.loc[2:]
    assert measured["low"].tolist() == pytest.approx(measured["value"].tolist())
    assert measured["high"].tolist() == pytest.approx(measured["value"].tolist())
    assert at["n"].tolist() == [1] + [6] * 9
    assert math.isnan(at.loc[1, "low"])
    assert at.loc[1, "found"] == "74.6 [no interval]"
    assert (at["note"] == "").all()


def test_steps_are_judged_at_the_length_of_their_pilot(given):
    table = ratios(given)
    judged = table[table["outcome"] != "reported"]
    assert judged["outcome"].to_dict() == {
        (3, 3000): "fails",  # 32 times
        (5, 3000): "fails",  # 8
        (6, 3000): "fails",  # 2
        (8, 3000): "holds",  # 6
        (9, 1000): "holds",  # 2
        (10, 3000): "fails",  # 1.5
    }
    given["timing_audit_cells"] = times(["transformer"], "train", slower=10)
    assert ratios(given).loc[(3, 3000), "outcome"] == "holds"  # 80 times


def test_an_interval_covers_what_differs_between_processes(given):
    cells = given["timing_cells"]
    one = (cells["model"] == "transformer") & (cells["seq_len"] == 3000) & (cells["seed"] == 5)
    cells.loc[one, "time_s"] *= 1.3
    row = ratios(given).loc[(5, 3000)]
    assert row["value"] == pytest.approx(8 * 1.3 ** (1 / 6))
    assert row["low"] < 8 < row["value"] < row["high"]


def test_recall_by_the_originals_steps_and_within_the_budget(given):
    table = recall(given)
    value = table["value"]
    assert value[1, "lstm", "loss_at step 500"] == 4.6341
    assert value[2, "lstm", "solved_share by 500"] == value[2, "lstm", "solved_share"] == 0
    assert table.loc[(2, "lstm", "solved_share"), "high"] == pytest.approx(0.4593, abs=1e-4)
    assert value[2, "transformer", "solved_share"] == 1 / 6
    assert table.loc[(2, "lstm", "steps_to_solve"), "found"] == "more than 500 [500, more than 500]"
    never = table.loc[(3, "lstm", "steps_to_solve"), "found"]
    assert never == "more than 3,000 [3,000, more than 3,000]"
    assert value[3, "transformer", "solved_share by 500"] == 0
    assert value[3, "transformer", "solved_share"] == 2 / 5
    assert math.isinf(value[3, "transformer", "steps_to_solve"])  # 2 of 5
    dropout = value[4, "transformer"]
    assert dropout["solved_share by 500"] == 2 / 5 and dropout["solved_share"] == 1
    assert dropout["steps_to_solve"] == 525
    assert dropout["loss_at step 500"] == 4  # two of five have left 4
    assert value[5, "transformer", "loss_at step 500"] == 1  # ended at 400
    assert value[6, "transformer", "steps_to_solve"] == 225
    assert value[7, "lstm", "steps_to_solve"] == 900
    assert value[7, "transformer", "steps_to_solve"] == 1200
    assert value[8, "lstm", "solved_share"] == 4 / 5


def test_a_budget_below_the_originals_leaves_open_what_came_of_it_by_then(given):
    given["recall_original_cells"], given["recall_original_curves"] = trainings(
        {"lstm": [NAN] * 5, "transformer": [20] * 5}, 60
    )
    table = recall(given)
    assert math.isnan(table.loc[(2, "lstm", "loss_at step 500"), "value"])
    assert table.loc[(2, "lstm", "solved_share by 500"), "high"] == 1
    assert table.loc[(2, "lstm", "solved_share"), "high"] < 0.53
    assert table.loc[(2, "transformer", "solved_share by 500"), "value"] == 1
    assert table.loc[(2, "transformer", "loss_at step 500"), "value"] == 1


def test_a_changed_learning_rate_is_shown(given):
    rates = recall(given)["value"].xs("median of lr", level=2)
    assert len(rates) == 10  # of every step but what was printed
    assert rates.to_dict() == {
        (step, model): 0.002 if (step, model) == (8, "lstm") else 0.005
        for step, model in rates.index
    }
    shown = tables.audit(audit(given))
    assert "| learning rate" in shown and "| 0.00200 " in shown and "0.00200 [" not in shown


def test_a_run_without_some_models_and_lengths_has_rows_that_say_so(given):
    cells = given["timing_cells"]
    given["timing_cells"] = cells[
        (cells["model"] != "transformer_sdpa_matched") & (cells["seq_len"] != 2000)
    ]
    given["recall_cells"] = given["recall_cells"][given["recall_cells"]["model"] != "lstm_chrono"]
    del given["timing_system_cells"]  # as in the default run
    table = audit(given)
    fused = table[table["statement"] == "time_fused"]
    said = "timing has no transformer_sdpa_matched with mode eval, calls steady, batch_size 1, d_model 128"
    assert fused["note"].tolist() == [said] and fused["n"].tolist() == [0]
    times_of = table[table["part"] == "time"].dropna(subset="seq_len")
    by_step = times_of.groupby("step")["seq_len"].apply(list)
    assert 2000 in by_step[3] and 2000 not in by_step[5]
    chrono = table[table["statement"] == "recall_chrono"]
    assert chrono["n"].tolist() == [0] and "recall has no lstm_chrono" in chrono["note"].iloc[0]
    text = tables.audit(table)
    assert f"10. fused attention: {said}" in text
    assert "8. chrono LSTM: recall has no lstm_chrono" in text
    assert "7. buffers as glibc has it: timing_system was not run" in text


def test_cells_of_another_protocol_or_size_do_not_count(given):
    given["timing_cells"] = given["timing_cells"].assign(mode="train")
    given["timing_system_cells"] = given["timing_system_cells"].assign(calls="cold")
    for name in ("original", "audit", "audit_malloc", "threads2", "batch32"):
        name = f"timing_{name}"
        given[f"{name}_cells"] = given[f"{name}_cells"].assign(d_model=32)
    counted = audit(given).query("part == 'time'").groupby("step")["value"].count()
    assert counted.to_dict() == {1: 5} | dict.fromkeys(range(2, 11), 0)


def test_a_process_that_failed_leaves_its_pair_out(given):
    cells = given["timing_cells"]
    failed = (cells["model"] == "transformer") & (cells["seq_len"] == 3000) & (cells["seed"] > 0)
    lost = ["time_s", "reference_time_s", "cold_s"]
    cells.loc[failed, ["status", *lost]] = ["out of memory", *[NAN] * 3]
    row = ratios(given).loc[(5, 3000)]
    assert (row["n"], row["method"]) == (1, "not enough runs (n = 1)")
    assert row["value"] == pytest.approx(8)
    assert row["note"] == "5 not completed: out of memory"
    assert ratios(given).loc[(6, 3000), "n"] == 6
    cells.loc[cells["model"] == "transformer", lost] = NAN
    row = ratios(given).loc[(5, 3000)]
    assert math.isinf(row["value"]) and row["outcome"] == "fails"  # beyond 46 times
    text = tables.audit(audit(given))
    assert "∞ (5 not completed: out of memory)" in text and "inf" not in text


def test_the_table_for_people_has_a_row_for_each_step_and_model(given):
    text = tables.audit(audit(given))
    time, trained = text.split("Recall of the first token")
    assert sum(line.startswith("| ") for line in time.splitlines()) == 1 + 10
    assert sum(line.startswith("| ") for line in trained.splitlines()) == 1 + 12
    assert "| 3,000 tokens" in time and "| 5. eval mode" in time
    lengths = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) tokens +\|", time)]
    assert len(lengths) > 3 and lengths == sorted(lengths)
    assert "2 of 5 [" in trained and "more than 3,000" in trained
    assert not {"nan", "None", "inf"} & set(text.replace("|", " ").split())


def test_a_line_of_the_figure_has_a_gap_where_its_length_was_not_measured(given):
    """A shorter length has a mark there, with its name."""
    cells = given["timing_audit_cells"]
    given["timing_audit_cells"] = cells[cells["seq_len"] <= 1000]
    rows = audit(given).query("part == 'time' and step <= 6").dropna(subset=["value", "seq_len"])
    axis = style.plt.figure().add_subplot()
    rows["model"] = rows["models"].str.split(" / ").str[0]
    looks = style.looks(rows.assign(architecture="transformer"))
    audit_figure.draw_line(axis, rows, 3000, looks)
    (thick,) = (line for line in axis.get_lines() if line.get_linewidth() == 2.4)
    assert np.isnan(thick.get_xdata()).tolist() == [False, False, True, False, False, False]
    texts = [text.get_text() for text in axis.texts]
    assert [text for text in texts if text.endswith(" at 1,000")] == ["32× at 1,000"]
    style.plt.close(axis.figure)


def test_the_figure_is_drawn_with_and_without_gaps(given, tmp_path):
    mplstyle = ROOT / "workflow/figures.mplstyle"

    def draw(given, name):
        paths = {}
        given = given | {"audit": audit(given)}
        trained = [f"{experiment}_cells" for experiment in EXPERIMENTS]
        for table in ("audit", "timing_cells", *trained):
            paths[table] = tmp_path / f"{table}.parquet"
            given[table].to_parquet(paths[table])
        runs = [paths[table] for table in trained]
        png, svg = (tmp_path / f"{name}{suffix}" for suffix in (".png", ".svg"))
        audit_figure.main(paths["audit"], paths["timing_cells"], runs, mplstyle, png, svg)
        return png, svg

    png, _ = draw(given, "whole")
    assert png.stat().st_size > 10_000
    other = {
        name: frame if name in ORIGINAL else frame.assign(model="other_" + frame["model"])
        for name, frame in given.items()
    }
    _, svg = draw(other, "gaps")
    assert "not in this run" in svg.read_text() and "printed" in svg.read_text()
