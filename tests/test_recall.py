"""Training: the same cell twice, cells that end badly or well, models whose result is known."""

import math

import numpy as np
import pytest
import torch

from tests.conftest import shipped
from workflow.seqbench import shards
from workflow.seqbench.recall import train as recall_train
from workflow.seqbench.recall.model import build_recaller
from workflow.seqbench.recall.probes import forget_gate, gradient_flow
from workflow.seqbench.recall.shard import schema
from workflow.seqbench.seeds import generator
from workflow.seqbench.tasks import first_token

SETTINGS = {
    **{k: v for k, v in shipped()["recall"].items() if k not in ("models", "seq_lens", "seeds")},
    "base_seed": 0,
    "d_model": 16,
    "batch_size": 16,
    "steps": 20,
    "evaluate_every": 5,
    "evaluation_size": 40,
}
LSTM = {"architecture": "lstm"}
TRANSFORMER = {"architecture": "transformer", "heads": 2, "dim_feedforward": 16, "dropout": 0.1}


@pytest.fixture(autouse=True)
def torch_as_before():
    """A cell asks torch for deterministic algorithms and draws from its global stream."""
    before = torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    yield
    torch.use_deterministic_algorithms(before)
    torch.set_rng_state(state)


def known(name, **options):
    return {"architecture": f"tests.known_truth:{name}", **options}


def train(model, name="model", seq_len=6, seed=0, **settings):
    cell = {"model": name, "seq_len": seq_len, "seed": seed}
    return recall_train.train_cell("recall", cell, model, SETTINGS | settings)


# Seeds.


@pytest.mark.parametrize("model", [LSTM, TRANSFORMER], ids=["lstm", "transformer with dropout"])
def test_a_cell_gives_the_same_losses_bit_for_bit(model):
    first = train(model)
    torch.rand(7)  # whatever happened in the process before
    second = train(model)
    for column in ("train_loss", "eval_loss", "eval_accuracy", "gradient_norm", "gradient_flow"):
        assert first[column] == second[column]
    assert first["config_digest"] == second["config_digest"]


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"base_seed": 1}, {"seq_len": 7}, {"name": "other"}, {"lr": 0.001}]
)
def test_another_cell_gives_other_losses(other):
    assert train(LSTM)["train_loss"] != train(LSTM, **other)["train_loss"]


def batches(monkeypatch, **cell):
    """Every batch of tokens that the training of a cell draws."""
    drawn, sample = [], first_token.sample

    def noted(*arguments):
        drawn.append(sample(*arguments))
        return drawn[-1]

    with monkeypatch.context() as patch:
        patch.setattr(first_token, "sample", noted)
        train(**cell)
    return [tokens for tokens, _ in drawn]


def test_models_share_their_data_and_nothing_else(monkeypatch):
    first = batches(monkeypatch, model=LSTM, name="lstm")
    second = batches(monkeypatch, model=TRANSFORMER, name="transformer")
    other = batches(monkeypatch, model=LSTM, name="lstm", seed=1)
    assert len(first) == len(second)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_no_sequence_is_used_twice(monkeypatch):
    """Evaluation is on fresh data: its stream is not that of training."""
    sequences = torch.cat(batches(monkeypatch, model=LSTM, seq_len=12))
    assert len(sequences.unique(dim=0)) == len(sequences)


def test_initialisation_follows_the_name_and_the_seed(monkeypatch):
    def start(**cell):
        """Parameters before the first step."""
        kept = []

        def noted(model, settings, seq_len):
            net = build_recaller(model, settings, seq_len)
            kept.append(torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone())
            return net

        with monkeypatch.context() as patch:
            patch.setattr(recall_train, "build_recaller", noted)
            train(LSTM, steps=1, **cell)
        return kept[0]

    reference = start()
    assert torch.equal(reference, start())
    assert not torch.equal(reference, start(name="other"))
    assert not torch.equal(reference, start(seed=1))


# What a row holds.


def test_a_row_is_complete(tmp_path):
    row = train(TRANSFORMER)
    shards.write(row, schema("recall"), tmp_path / "shard.parquet", {})
    assert (row["status"], row["steps"], row["error"]) == ("ok", 20, None)
    assert len(row["train_loss"]) == 20
    assert row["eval_step"] == [5, 10, 15, 20]
    for column in ("eval_loss", "eval_accuracy", "gradient_norm"):
        assert len(row[column]) == 4
        assert np.isfinite(row[column]).all()
    assert (row["final_loss"], row["final_accuracy"]) == (
        row["eval_loss"][-1],
        row["eval_accuracy"][-1],
    )
    assert row["step_s"] > 0
    assert row["vocabulary"] == 100
    head_and_embedding = 100 * 16 + (16 * 100 + 100)
    assert row["parameters"] - row["core_parameters"] == head_and_embedding


def test_the_last_evaluation_is_at_the_last_step():
    assert train(LSTM, steps=12)["eval_step"] == [5, 10, 12]


def test_gradient_flow_has_a_norm_for_each_position():
    row = train(LSTM, seq_len=9)
    assert [len(norms) for norms in row["gradient_flow"]] == [9] * (1 + len(row["eval_step"]))
    assert all(norm > 0 for norms in row["gradient_flow"] for norm in norms)


def test_gradient_flow_of_an_oracle_reaches_the_first_token_alone():
    net = build_recaller(known("Oracle"), SETTINGS, 5)
    tokens, targets = first_token.sample(generator("test"), 8, 5, 100)
    first, *rest = gradient_flow(net, tokens, targets)
    assert first > 0
    assert rest == [0] * 4


def test_gradient_flow_against_finite_differences():
    """Each sequence's own loss by its own embeddings, then the mean of the norms."""
    torch.manual_seed(0)
    net = build_recaller(LSTM, SETTINGS, 3).double()
    tokens, targets = first_token.sample(generator("test"), 2, 3, 100)
    embedded = net.embedding(tokens).detach()

    def norm(sequence, position):
        def loss(change):
            x = embedded[sequence : sequence + 1].clone()
            x[0, position] += change
            logits = net.from_embedding(x)
            return torch.nn.functional.cross_entropy(logits, targets[sequence, None]).item()

        steps = torch.eye(16) * 1e-5
        return math.hypot(*((loss(step) - loss(-step)) / 2e-5 for step in steps))

    flow = gradient_flow(net, tokens, targets)
    assert flow == pytest.approx([(norm(0, i) + norm(1, i)) / 2 for i in range(3)], rel=1e-5)


def test_forget_gates_of_an_lstm_start_half_open():
    net = build_recaller(LSTM, SETTINGS, 5)
    assert np.mean(forget_gate(net)) == pytest.approx(0.5, abs=0.05)
    assert forget_gate(build_recaller(TRANSFORMER, SETTINGS, 5)) is None


# How a cell ends.


def test_a_loss_that_is_not_finite_is_diverged_and_a_row(tmp_path):
    row = train(known("Diverging", good=7), steps=40)
    assert row["status"] == "diverged"
    assert row["steps"] == 8
    assert np.isfinite(row["train_loss"][:7]).all()
    assert math.isnan(row["train_loss"][7])
    assert len(row["train_loss"]) == 8
    assert row["error"] == "diverged after 8 of 40 steps"
    assert row["solved_step"] is None
    shards.write(row, schema("recall"), tmp_path / "shard.parquet", {})


def test_a_cell_that_takes_too_long_is_over_budget_and_a_row(tmp_path):
    row = train(LSTM, max_seconds=1e-9)
    assert (row["status"], row["steps"], row["eval_step"]) == ("over budget", 5, [5])
    assert row["error"] == "over budget after 5 of 20 steps"
    shards.write(row, schema("recall"), tmp_path / "shard.parquet", {})


EASY = {"vocabulary": 4, "steps": 400, "lr": 0.02}


def test_an_easy_cell_is_solved_and_goes_on_for_steps_after_solved():
    row = train(LSTM, seq_len=2, steps_after_solved=10, **EASY)
    assert row["status"] == "ok"
    passed = [s for s, a in zip(row["eval_step"], row["eval_accuracy"], strict=True) if a >= 0.99]
    assert row["solved_step"] == passed[0]
    assert row["steps"] == row["solved_step"] + 10 < 400
    assert len(row["train_loss"]) == row["steps"]
    assert 0 < row["solved_s"] <= row["step_s"] * row["steps"]


def test_without_steps_after_solved_a_cell_ends_at_once():
    row = train(LSTM, seq_len=2, steps_after_solved=0, **EASY)
    assert row["steps"] == row["solved_step"]


def test_a_cell_that_is_not_solved_has_no_step():
    row = train(LSTM)
    assert row["solved_step"] is None
    assert row["solved_s"] is None


# Models whose result is known, through the same training.

LONG = {"steps": 400, "lr": 0.01, "evaluate_every": 50, "evaluation_size": 1000, "d_model": 32}


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_an_oracle_reaches_accuracy_1(readout):
    row = train(known("Oracle", readout=readout), seq_len=30, **LONG)
    assert row["final_accuracy"] == 1
    assert row["final_loss"] < 0.2
    assert row["solved_step"] is not None


def test_a_constant_model_stays_at_chance():
    row = train(known("Constant"), seq_len=30, **LONG | {"lr": 0.001})
    assert row["final_loss"] == pytest.approx(first_token.chance_loss(30, 100), abs=0.05)
    assert row["final_accuracy"] < 0.04
    assert row["solved_step"] is None


def test_a_bag_of_tokens_stays_above_its_floor_and_below_chance():
    """A loss under the floor would mean that the data tell more than the order of the tokens."""
    row = train(known("BagOfTokens"), seq_len=8, **LONG | {"steps": 800})
    floor = first_token.bag_of_tokens_loss(8, 100)
    noise = 4 / math.sqrt(1000)
    assert floor - noise < row["final_loss"] < first_token.chance_loss(8, 100) - 1
    assert min(row["eval_loss"]) > floor - noise
    # Of eight tokens one is the first.
    assert row["final_accuracy"] == pytest.approx(1 / 8, abs=0.06)
