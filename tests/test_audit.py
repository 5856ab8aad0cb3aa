"""The audit: its arithmetic on data with a known answer, its gaps, and its rungs against config.yaml."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, shipped
from workflow.seqbench.audit import figure
from workflow.seqbench.audit import table as audit
from workflow.seqbench.config import model_entry

NAN = math.nan
LENGTHS = [100, 500, 1000, 2000, 3000]
SEEDS = range(6)
# Seconds of the LSTM, and how many times that each model takes, at every length.
BASE = 0.01
RATIOS = {"lstm": 1, "transformer": 8, "transformer_matched": 2, "transformer_sdpa_matched": 1.5}


@pytest.fixture
def printed():
    return {
        name: pd.read_csv(ROOT / f"workflow/original/{name}.csv") for name in ("timing", "recall")
    }


def timed(models, mode, slower=1):
    """Cells whose processes differ, alike for all models: so every paired ratio is exact."""
    rows = [
        {
            "model": model,
            "seq_len": seq_len,
            "seed": seed,
            "status": "ok",
            "time_s": BASE * (1 + seed / 10) * RATIOS[model] * (1 if model == "lstm" else slower),
            "cold_s": 3 * BASE * (1 + seed / 10) * (1 if model == "lstm" else 5),
            "mode": mode,
            "calls": "steady",
            **audit.SPEED_SIZES,
            "device_name": "a CPU",
            "threads": 1,
            "torch": "2.13.0",
        }
        for model in models
        for seq_len in LENGTHS
        for seed in SEEDS
    ]
    return pd.DataFrame(rows)


def trained(models, budget=3000):
    """Cells and curves; models: {name: steps to solve of each seed, NaN for never}.

    The loss is 4 until a run is solved and 1 from then on; a solved run trains 100 steps more.
    """
    cells, curves = [], []
    for model, solved in models.items():
        for seed, step in enumerate(solved):
            steps = budget if math.isnan(step) else min(budget, int(step) + 100)
            cells.append(
                {
                    "model": model,
                    "seq_len": 100,
                    "seed": seed,
                    "status": "ok",
                    "steps": steps,
                    "budget_steps": budget,
                    "solved_step": step,
                    "lr": 0.002 if model == "lstm_chrono" else 0.005,
                    **audit.MEMORY_SIZES,
                }
            )
            at = np.arange(1, steps + 1)
            loss = np.where(at > step, 1.0, 4.0)  # never above NaN
            curves.append(
                pd.DataFrame(
                    {"model": model, "seq_len": 100, "seed": seed, "step": at, "train_loss": loss}
                )
            )
    return pd.DataFrame(cells), pd.concat(curves, ignore_index=True)


@pytest.fixture
def run():
    """(cells, curves) of a run with every rung."""
    recall, recall_curves = trained(
        {
            "lstm": [NAN] * 5,
            "lstm_chrono": [1500, 1600, 1700, 1800, NAN],
            "transformer": [600, 700, NAN, NAN, NAN],
            "transformer_matched": [200, 200, 225, 300, 325],
        }
    )
    between, between_curves = trained(
        {"transformer_no_dropout": [450, 500, 525, 600, 700], "transformer_small": [300] * 5}
    )
    cells = {
        "timing": timed(RATIOS, "eval"),
        "timing_audit": timed(["lstm", "transformer"], "train", slower=4),
        "recall": recall,
        "recall_audit": between,
    }
    return cells, {"recall": recall_curves, "recall_audit": between_curves}


def rows(table, experiment):
    return table[table["experiment"] == experiment]


def test_the_notebooks_numbers(printed):
    """Those of the notebook's own output."""
    assert printed["timing"].to_dict("list") == {
        "seq_len": LENGTHS,
        "lstm_s": [0.0721, 0.0068, 0.0115, 0.0212, 0.0265],
        "transformer_s": [0.0630, 0.0827, 0.2398, 0.8487, 1.9769],
    }
    assert printed["recall"].to_dict("list") == {
        "model": ["lstm", "transformer"],
        "seq_len": [100, 100],
        "steps": [audit.STEPS] * 2,
        "lr": [0.005, 0.005],
        "final_train_loss_nats": [4.6341, 3.9678],
    }


def test_ratios_are_those_of_the_rungs(printed, run):
    speed = rows(audit.table(printed, *run), "speed")
    assert len(speed) == len(LENGTHS) * len(audit.SPEED)
    at = speed[speed["seq_len"] == 3000].set_index("rung")
    assert at["ratio"].tolist() == pytest.approx([1.9769 / 0.0265, 5, 32, 8, 2, 1.5])
    # The processes' common factor cancels: pairing makes these intervals points.
    measured = at.loc[2:]
    assert measured["ratio_low"].tolist() == pytest.approx(measured["ratio"].tolist())
    assert measured["ratio_high"].tolist() == pytest.approx(measured["ratio"].tolist())
    assert measured["n"].tolist() == [6] * 5
    assert at.loc[1, "n"] == 1
    assert math.isnan(at.loc[1, "ratio_low"])
    assert at.loc[2, "lstm_median_s"] == pytest.approx(3 * BASE * 1.25)
    assert (speed["note"] == "").all()


def test_an_interval_covers_what_differs_between_processes(printed, run):
    cells, curves = run
    own = cells["timing"]
    one = (own["model"] == "transformer") & (own["seq_len"] == 3000) & (own["seed"] == 5)
    own.loc[one, "time_s"] *= 1.3
    speed = rows(audit.table(printed, cells, curves), "speed")
    row = speed[(speed["seq_len"] == 3000) & (speed["rung"] == 4)].iloc[0]
    assert row["ratio"] == pytest.approx(8 * 1.3 ** (1 / 6))
    assert row["ratio_low"] < 8 < row["ratio"] < row["ratio_high"]


def test_recall_by_the_originals_steps_and_within_the_budget(printed, run):
    memory = rows(audit.table(printed, *run), "memory").set_index(["rung", "model"])
    assert len(memory) == 8
    assert memory.loc[(1, "lstm"), "loss_at_500_median_nats"] == 4.6341
    assert pd.isna(memory.loc[(1, "transformer"), "solved"])
    lstm = memory.loc[(2, "lstm")]
    assert (lstm["solved_by_500"], lstm["solved"], lstm["n"]) == (0, 0, 5)
    assert math.isinf(lstm["steps_to_solve_median"])
    assert lstm["solved_high"] == pytest.approx(0.5218, abs=1e-4)  # 1 - 0.025^(1/5)
    assert math.isinf(memory.loc[(2, "transformer"), "steps_to_solve_median"])  # 2 of 5
    dropout = memory.loc[(3, "transformer_no_dropout")]
    assert (dropout["solved_by_500"], dropout["solved"]) == (2, 5)
    assert dropout["steps_to_solve_median"] == 525
    assert dropout["loss_at_500_median_nats"] == 4  # two of five have left 4
    assert memory.loc[(4, "transformer_small"), "loss_at_500_median_nats"] == 1  # ended at 400
    assert memory.loc[(6, "lstm_chrono"), "solved"] == 4


def test_a_budget_below_the_originals_leaves_open_what_came_of_it_by_then(printed, run):
    cells, curves = run
    cells["recall"], curves["recall"] = trained({"lstm": [NAN] * 5, "transformer": [20] * 5}, 60)
    memory = rows(audit.table(printed, cells, curves), "memory").set_index(["rung", "model"])
    assert pd.isna(memory.loc[(2, "lstm"), "solved_by_500"])
    assert math.isnan(memory.loc[(2, "lstm"), "loss_at_500_median_nats"])
    assert memory.loc[(2, "lstm"), "solved"] == 0
    assert memory.loc[(2, "transformer"), "solved_by_500"] == 5
    assert memory.loc[(2, "transformer"), "loss_at_500_median_nats"] == 1


def test_loss_is_a_mean_of_ten_steps_and_speaks_of_failures():
    steps = np.arange(1, 601)
    losses = pd.DataFrame({"seed": 0, "step": steps, "train_loss": steps / 100})
    cell = pd.Series({"seed": 0, "status": "ok", "steps": 600, "solved_step": NAN})
    assert audit.loss_at(cell, losses) == pytest.approx(4.955)  # steps 491 to 500
    short = losses[losses["step"] <= 60]
    assert math.isnan(audit.loss_at(cell, short))
    solved = pd.Series({**cell, "steps": 60, "solved_step": 40})
    assert audit.loss_at(solved, short) == pytest.approx(0.555)
    diverged = pd.Series({**cell, "steps": 60, "status": "diverged"})
    assert math.isinf(audit.loss_at(diverged, short))


def test_a_changed_learning_rate_is_said(printed, run):
    memory = rows(audit.table(printed, *run), "memory").set_index(["rung", "model"])["changed"]
    assert memory[6, "lstm_chrono"].endswith(", and its learning rate is 0.002 instead of 0.005.")
    others = memory.drop(index=(6, "lstm_chrono"))
    assert not others.str.contains("learning rate").any()


def test_a_run_without_some_models_and_lengths_has_rows_that_say_so(printed, run):
    cells, curves = run
    timing = cells["timing"]
    cells["timing"] = timing[
        (timing["model"] != "transformer_sdpa_matched") & (timing["seq_len"] != 2000)
    ]
    cells["recall"] = cells["recall"][cells["recall"]["model"] != "lstm_chrono"]
    table = audit.table(printed, cells, curves)
    speed = rows(table, "speed").set_index(["rung", "seq_len"])
    assert len(speed) == len(LENGTHS) * len(audit.SPEED)
    assert speed.loc[(6, 100), "note"] == (
        "timing has no transformer_sdpa_matched with mode eval and calls steady at this length"
    )
    for rung in (4, 5, 6):
        assert math.isnan(speed.loc[(rung, 2000), "ratio"])
        assert speed.loc[(rung, 2000), "n"] == 0
        assert "has no lstm" in speed.loc[(rung, 2000), "note"]
    assert speed.loc[(3, 2000), "ratio"] == pytest.approx(32)
    memory = rows(table, "memory").set_index("model")
    assert memory.loc["lstm_chrono", "note"] == "recall has no lstm_chrono at this length"
    assert memory.loc["lstm_chrono", "n"] == 0
    assert "recall has no lstm_chrono" in audit.for_people(table)


def test_cells_of_another_protocol_do_not_count(printed, run):
    cells, curves = run
    cells["timing"] = cells["timing"].assign(mode="train")
    cells["timing_audit"] = cells["timing_audit"].assign(calls="cold")
    speed = rows(audit.table(printed, cells, curves), "speed")
    assert speed.groupby("rung")["ratio"].count().to_dict() == {1: 5, 2: 5, 3: 0, 4: 0, 5: 0, 6: 0}


def test_a_process_that_failed_leaves_its_pair_out(printed, run):
    cells, curves = run
    own = cells["timing"]
    failed = (own["model"] == "transformer") & (own["seq_len"] == 3000) & (own["seed"] > 0)
    own.loc[failed, ["status", "time_s", "cold_s"]] = ["out of memory", NAN, NAN]
    table = audit.table(printed, cells, curves)
    speed = rows(table, "speed").set_index(["rung", "seq_len"])
    assert speed.loc[(4, 3000), "n"] == 1
    assert speed.loc[(4, 3000), "ratio"] == pytest.approx(8)
    assert speed.loc[(4, 3000), "interval"] == "not enough runs (n = 1)"
    assert speed.loc[(5, 3000), "n"] == 6
    own.loc[own["model"] == "transformer", "status"] = "out of memory"
    speed = rows(audit.table(printed, cells, curves), "speed").set_index(["rung", "seq_len"])
    assert "no process completed both" in speed.loc[(4, 3000), "note"]


def test_other_sizes_than_the_originals_are_said(printed, run):
    cells, curves = run
    cells["timing"] = cells["timing"].assign(d_model=32)
    speed = rows(audit.table(printed, cells, curves), "speed").set_index(["rung", "seq_len"])
    assert speed.loc[(4, 100), "note"] == "d_model is 32, in the original 128"
    assert speed.loc[(2, 100), "note"] == ""


def test_rungs_differ_in_config_yaml_by_what_they_say():
    """The sentences of the rungs are true of the shipped models."""
    config = shipped()

    def difference(experiment, a, b):
        a, b = (model_entry(config, experiment, model) for model in (a, b))
        return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}

    steps = [rung.transformer for rung in audit.SPEED]
    assert steps[:4] == ["transformer"] * 4
    matched = difference("timing", steps[3], steps[4])
    assert matched == {"layers", "dim_feedforward", "dropout"}  # dropout is off in eval mode
    assert difference("timing", steps[4], steps[5]) == {"attention"}
    assert config["timing"]["mode"] == "eval"
    assert config["timing_audit"]["mode"] == "train"

    ladder = [("transformer", {"dropout"}), ("transformer_no_dropout", {"dim_feedforward"})]
    ladder += [("transformer_small", {"positions"}), ("transformer_matched", set())]
    assert [rung.models for rung in audit.MEMORY[2:5]] == [(m,) for m, _ in ladder[1:]]
    for (model, changed), (after, _) in pairwise(ladder):
        # layers: 1, which one of them names, is the default
        assert difference("recall", model, after) - {"layers"} == changed
    assert difference("recall", "lstm", "lstm_chrono") == {"init"}


def test_the_published_config_has_every_rung():
    config = shipped()
    for rung in audit.SPEED[1:]:
        part = config[rung.experiment]
        assert {audit.LSTM, rung.transformer} <= set(part["models"])
        assert all(part[key] == value for key, value in rung.needs.items())
        assert set(LENGTHS) <= set(part["seq_lens"])
    for rung in audit.MEMORY[1:]:
        assert set(rung.models) <= set(config[rung.experiment]["models"])
        assert 100 in config[rung.experiment]["seq_lens"]


def test_the_figure_is_drawn_with_and_without_gaps(printed, run, tmp_path):
    cells, curves = run
    style = ROOT / "workflow/figures.mplstyle"
    trainings = pd.concat([cells["recall"], cells["recall_audit"]])
    figure.draw(audit.table(printed, *run), cells["timing"], trainings, style, tmp_path / "a.png")
    empty = {name: frame.assign(seq_len=7) for name, frame in cells.items()}
    table = audit.table(printed, empty, curves)
    figure.draw(table, empty["timing"], trainings, style, tmp_path / "b.svg")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert "printed" in (tmp_path / "b.svg").read_text()


def test_texts():
    assert audit.ratio_text(8.234, 7.9, 8.51) == "8.23 (7.9 – 8.51)"
    assert audit.ratio_text(74.6, NAN, NAN) == "74.6"
    assert audit.ratio_text(NAN, NAN, NAN) == "–"
    assert audit.steps_text(math.inf, 3000) == "> 3,000"
    assert figure.times(3.78) == "3.8×"
    assert figure.times(74.6) == "75×"
