"""What is timed is what the name says."""

import importlib

import pytest
import torch

from workflow.seqbench import workloads

SETTINGS = {"batch_size": 2, "d_model": 16, "mode": "eval"}
LSTM = {"architecture": "lstm"}
DECODER = {
    "architecture": "transformer",
    "attention": "sdpa",
    "causal": True,
    "heads": 4,
    "dim_feedforward": 24,
    "dropout": 0,
}


def prepare(name, model, seq_len, **settings):
    torch.manual_seed(0)
    module = importlib.import_module(f"workflow.seqbench.workloads.{name}")
    return module.prepare(model, SETTINGS | settings, seq_len, "cpu")


@pytest.mark.parametrize("name", workloads.workloads())
def test_a_workload_can_be_called_again_and_says_its_work(name):
    work = prepare(name, LSTM, 7, mode="train" if name == "train_step" else "eval")
    for _ in range(3):
        assert torch.isfinite(work.call()).all()
    assert work.flops > 0
    assert work.tokens == (2 if name == "decode" else 14)
    assert work.module.training == (name == "train_step")


@pytest.mark.parametrize("seq_len", [1, 9])
def test_decoding_with_and_without_a_cache_is_equal_work(seq_len):
    cached = prepare("decode", DECODER, seq_len)
    full = prepare("decode", DECODER | {"cache": False}, seq_len)
    torch.testing.assert_close(cached.call(), full.call())
    torch.testing.assert_close(cached.call(), full.call())  # a call leaves the state as it was
    assert cached.flops < full.flops


def test_decoding_an_lstm_is_the_forward_pass_of_its_last_token():
    work = prepare("decode", LSTM, 5)
    torch.manual_seed(0)
    module = importlib.import_module("workflow.seqbench.models.lstm").Model(16, 6).eval()
    x = torch.randn(2, 6, 16)
    torch.testing.assert_close(work.call(), module(x)[:, -1])


def test_a_training_step_changes_every_parameter():
    work = prepare("train_step", LSTM, 7, mode="train")
    before = [p.clone() for p in work.module.parameters()]
    work.call()
    assert all(
        (old != new).any() for old, new in zip(before, work.module.parameters(), strict=True)
    )


def test_a_forward_pass_keeps_no_graph():
    assert not prepare("forward", LSTM, 7).call().requires_grad
