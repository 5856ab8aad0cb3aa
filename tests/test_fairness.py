"""The fairness ledger against known sizes, and what `_matched` promises, in every shipped config."""

import math

import pytest
from workflow.seqbench.fairness import construct, flops_text, for_people, ledger, state_text

from tests.conftest import ROOT, shipped
from workflow.seqbench.config import EXPERIMENTS

PRESETS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("workflow/presets/*.yaml"))
TOLERANCE = 0.02


def parts(config):
    return {name: config[name] for name in ("models", *EXPERIMENTS)}


@pytest.fixture(scope="module")
def table():
    frame = ledger(parts(shipped()))
    return frame.set_index(["experiment", "model", "seq_len"]).sort_index()


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda p: p or "config.yaml")
def test_matched_models_have_the_parameters_of_the_lstm(preset):
    config = shipped(*([preset] if preset else []))
    compared = 0
    for experiment in EXPERIMENTS:
        for model in config[experiment]["models"]:
            if not model.endswith("_matched"):
                continue
            for seq_len in config[experiment]["seq_lens"]:
                _, ours = construct(config, experiment, model, seq_len)
                _, lstm = construct(config, experiment, "lstm", seq_len)
                for kind in ("parameters", "core_parameters"):
                    a, b = getattr(ours, kind), getattr(lstm, kind)
                    assert abs(a / b - 1) <= TOLERANCE, (
                        f"{model} in {experiment} at {seq_len} tokens: {a:,} {kind}, lstm {b:,}"
                    )
                compared += 1
    assert compared > 0


def test_every_cell_of_an_experiment_that_is_reported_has_a_row(table):
    config = shipped()
    expected = {
        (experiment, model, seq_len)
        for experiment in EXPERIMENTS
        if experiment != "tuning"
        for model in config[experiment]["models"]
        for seq_len in config[experiment]["seq_lens"]
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


def test_what_was_spent_on_learning_rates(table):
    config = shipped()
    part = config["tuning"]
    trainings = len(part["learning_rates"]) * len(part["seq_lens"]) * len(part["seeds"])
    for (_, model, _), row in table.loc[["recall", "recall_audit"]].iterrows():
        tuned = model in part["models"]
        assert row["tuning_trainings"] == (trainings if tuned else 0)
        assert row["tuning_steps"] == (trainings * part["steps"] if tuned else 0)
    for model in config["recall"]["models"]:
        own = config["models"][model].get("recall", {}).get("lr", config["recall"]["lr"])
        assert table.loc[("recall", model, 100), "lr"] == own
    budget = config["models"]["lstm"]["recall"]["steps"]
    assert table.loc[("recall", "lstm", 100), "budget_steps"] == budget
    assert math.isnan(table.loc[("timing", "lstm", 100), "lr"])
    assert table.loc["timing", "tuning_trainings"].sum() == 0


def test_the_table_for_people_has_one_row_for_each_model_of_an_experiment(table):
    shown = for_people(table.reset_index())
    assert not shown.duplicated(["experiment", "model"]).any()
    assert len(shown) == len(
        set(zip(*[table.index.get_level_values(i) for i in (0, 1)], strict=True))
    )
    assert shown.set_index(["experiment", "model"]).loc[("timing", "lstm"), "tokens"] == 3000


def test_texts():
    assert flops_text(262_144) == "0.262 M"
    assert state_text(1024, 0) == "1,024"
    assert state_text(0, 512) == "512 a token"
    assert state_text(1024, 512) == "1,024 + 512 a token"
    assert state_text(0, 0) == "0"
