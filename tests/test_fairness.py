"""The fairness ledger against known sizes, and what matching promises, in every shipped config."""

import math

import pandas as pd
import pytest

from tests.conftest import ROOT, shipped
from workflow.seqbench.config import check
from workflow.seqbench.experiments import Plan
from workflow.seqbench.models import TOLERANCE, build
from workflow.seqbench.results.fairness import entry, ledger
from workflow.seqbench.showing import tables

PRESETS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("workflow/presets/*.yaml"))


@pytest.fixture(scope="module")
def plan():
    """That of the published run, with every length."""
    return check(shipped("workflow/presets/full.yaml"), local=False)


@pytest.fixture(scope="module")
def table(plan):
    return ledger(plan).set_index(["experiment", "model", "seq_len"]).sort_index()


@pytest.mark.parametrize("preset", PRESETS)  # the full one has all of config.yaml
def test_matched_models_have_the_parameters_of_their_target(preset):
    """Never more, and at most 2 % fewer: with classifier and embedding, and without."""
    plan = check(shipped(preset), local=False)
    rows = {
        (experiment, name, cell["seq_len"])
        for experiment in plan.names(swept=False)
        for cell in plan.cells(experiment)
        for name in [cell["model"]]
        if "match_parameters_to" in plan.model(experiment, name)
    }
    for experiment, name, seq_len in sorted(rows):
        target = plan.config["models"][name]["match_parameters_to"]
        ours, theirs = (entry(plan, experiment, model, seq_len) for model in (name, target))
        for kind in ("parameters", "core_parameters"):
            share = ours[kind] / theirs[kind]
            assert 1 - TOLERANCE <= share <= 1, (experiment, name, seq_len, kind)
    assert rows


def test_every_cell_of_an_experiment_that_is_reported_has_a_row(plan, table):
    assert plan.names(swept=True) == ["tuning", "tuning_large"]
    expected = {
        (experiment, cell["model"], cell["seq_len"])
        for experiment in plan.experiments
        if not experiment.startswith("tuning")
        for cell in plan.cells(experiment)
    }
    assert set(table.index) == expected
    assert table.index.is_unique


def test_sizes_of_the_originals_models(table):
    """As the original's own code counts them: 1 x 128 and 2 x (128, 4 heads, 2048); 64 wide."""
    assert table.loc[("timing", "lstm", 3000), "parameters"] == 132_096
    assert table.loc[("timing", "transformer", 3000), "parameters"] == 1_186_048
    assert table.loc[("recall", "lstm", 100), "parameters"] == 46_180
    assert table.loc[("recall", "transformer", 100), "parameters"] == 300_452
    embedding_and_head = 100 * 64 + 64 * 100 + 100
    recall = table.loc["recall"]
    assert (recall["parameters"] - recall["core_parameters"] == embedding_and_head).all()


def test_flops_per_token_grow_with_attention_alone(table):
    timing = table.loc["timing", "flops_per_token"]
    assert timing["lstm", 100] == timing["lstm", 3000] == 8 * 128 * (128 + 128)
    growth = timing["transformer", 3000] - timing["transformer", 100]
    assert growth == 2 * 4 * (3000 - 100) * 128  # two layers of 4 N D


@pytest.mark.parametrize(
    ("model", "feed_forward"), [("transformer", 2048), ("transformer_matched", 254)]
)
def test_quadratic_flops_overtake_at_twice_the_width_and_the_feed_forward_part(
    plan, model, feed_forward
):
    """2N(4D² + 2DF) against 4N²D a layer: equal at N = 2D + F, which is 2,304 in the original."""
    core = build(plan.model("timing", model), 128, 3000)
    quadratic = (core.flops(2) - 2 * core.flops(1)) / 2
    linear = core.flops(1) - quadratic
    assert linear / quadratic == 2 * 128 + feed_forward
    assert core.flops(1000) == linear * 1000 + quadratic * 1000**2


def test_state_is_fixed_in_an_lstm_and_grows_in_a_transformer(table):
    state = table[["state_bytes_fixed", "state_bytes_per_token"]]
    assert state.loc[("timing", "lstm", 1000)].tolist() == [4 * 2 * 128, 0]
    assert state.loc[("timing", "transformer", 1000)].tolist() == [0, 4 * 2 * 2 * 128]
    cached, uncached = (
        state.loc[("decode", f"transformer_decoder_{name}matched", 1000)].tolist()
        for name in ("", "no_cache_")
    )
    assert cached == [0, 4 * 2 * 128]  # a key and a value
    assert uncached == [0, 4 * 128]  # what was read, to be read again


def test_a_model_that_does_not_say_its_state_has_a_row_without_it(plan):
    """state_bytes is optional: a new architecture needs it for no target."""
    config = shipped(
        {
            "models": {"mine": {"architecture": "tests.known_truth:Oracle"}},
            "experiments": {
                "timing": {"models": ["mine"], "seq_lens": [100]},
                "recall": {"models": ["mine"], "seq_lens": [100], "lr": 0.005},
            },
        }
    )
    config["experiments"] = {name: config["experiments"][name] for name in ("timing", "recall")}
    mine = ledger(check(config, local=False)).query("model == 'mine'")
    assert mine["experiment"].tolist() == ["timing", "recall"]
    assert mine[["state_bytes_fixed", "state_bytes_per_token"]].isna().all(axis=None)
    assert (mine["core_parameters"] == 0).all()
    assert tables.view("fairness", mine)["state (bytes)"].tolist() == ["–", "–"]


def test_what_was_spent_on_learning_rates(plan, table):
    """The trainings of a sweep at that length, where the rate is the one that the sweep chose."""
    asked = Plan(plan.config)  # without rates, so that a tuned one is "tuned"
    for (experiment, model, seq_len), row in table.iterrows():
        tuned = asked.settings(experiment, model, seq_len).get("lr") == "tuned"
        spent = [
            plan.experiments[sweep]["steps"]
            for sweep in plan.names(swept=True)
            for cell in plan.cells(sweep)
            if (cell["model"], cell["seq_len"]) == (model, seq_len) and tuned
        ]
        assert row["tuning_trainings"] == len(spent) and row["tuning_steps"] == sum(spent)
        assert bool(spent) == tuned, (experiment, model, seq_len)
    # 5 rates; 3 for the original's Transformer.
    trainings = table["tuning_trainings"]
    assert trainings["recall", "lstm", 100] == trainings["readout", "lstm_mean", 25] == 5
    assert trainings["recall", "transformer", 25] == 3 and trainings["timing", "lstm", 100] == 0
    # Fixed rates, of a model that is tuned elsewhere too.
    assert trainings["gradient_cut", "lstm_chrono", 25] == trainings["recall_more", "lstm", 10] == 0
    assert trainings["readout", "feed_forward_last", 25] == 0


def test_rates_and_budgets_are_those_of_the_cells(plan, table):
    for experiment in plan.names("training", swept=False):
        for cell in plan.cells(experiment):
            settings = plan.settings(experiment, **cell)
            row = table.loc[(experiment, cell["model"], cell["seq_len"])]
            assert (row["lr"], row["budget_steps"]) == (settings["lr"], settings["steps"])
    rates = table.loc[("recall", "lstm"), "lr"]
    assert rates.to_dict() == {n: plan.rates["lstm", n] for n in (25, 50, 100)}
    assert math.isnan(table.loc[("timing", "lstm", 100), "lr"])
    assert table.loc[("timing", "lstm", 100), "budget_steps"] == 0


def test_models_of_one_experiment_have_one_budget_of_steps(plan):
    """What one model is given of training, every other is."""
    for experiment in plan.names("training"):
        cells = [plan.settings(experiment, **cell)["steps"] for cell in plan.cells(experiment)]
        assert len(set(cells)) == 1, experiment


def test_the_table_for_people_has_one_row_for_each_model_of_an_experiment(table):
    shown = tables.fairness(table.reset_index())
    assert list(shown) == list(tables.views()["fairness"])
    assert not shown.duplicated(["experiment", "model"]).any()
    assert len(shown) == len(table.index.droplevel("seq_len").unique())
    row = shown.set_index(["experiment", "model"]).loc[("timing", "lstm")]
    assert (row["tokens"], row["state (bytes)"]) == ("3,000", "1,024")
    assert row["FLOPs per token"] == "0.262 M" and row["training steps"] == "–"
    assert not pd.concat([shown[c].astype(str) for c in shown]).str.contains("nan").any()
