"""Gradient flow, attention and distance: from a net with a known answer to the tables."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from workflow.seqbench.mechanism import tables
from workflow.seqbench.recall.model import SequenceClassifier, build_recaller
from workflow.seqbench.recall.probes import first_token_attention, forget_gate, gradient_flow

SETTINGS = {"d_model": 8, "vocabulary": 10}


class Decay(nn.Module):
    """Position t of the output is sum_s rate^(t - s) x_s: its gradient is known."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        t = torch.arange(x.shape[1])
        weights = self.rate ** (t[:, None] - t).clamp(min=0).float()
        return torch.tril(weights) @ x


@pytest.mark.parametrize("rate", [0.5, 0.99, 1e-3])
def test_gradient_flow_of_a_known_decay(rate):
    torch.manual_seed(0)
    net = SequenceClassifier(Decay(rate), 10, 8)
    tokens = torch.randint(1, 10, (4, 12))
    flow = gradient_flow(net, tokens, tokens[:, 0])
    expected = rate ** np.arange(11.0, -1, -1)
    assert np.allclose(np.array(flow) / flow[-1], expected, rtol=1e-4)


def test_probes_leave_training_as_it_was():
    torch.manual_seed(0)
    model = {"architecture": "transformer", "dropout": 0.5, "dim_feedforward": 8}
    net = build_recaller(model, SETTINGS, 6).train()
    tokens, state = torch.randint(1, 10, (3, 6)), torch.get_rng_state()
    gradient_flow(net, tokens, tokens[:, 0])
    first_token_attention(net, tokens)
    assert net.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in net.parameters())


def test_attention_is_a_distribution_and_absent_without_attention():
    tokens = torch.randint(1, 10, (3, 6))
    model = {"architecture": "transformer", "dim_feedforward": 8}
    weights = first_token_attention(build_recaller(model, SETTINGS, 6), tokens)
    assert len(weights) == 6
    assert math.isclose(sum(weights), 1, rel_tol=1e-5)
    assert (
        first_token_attention(build_recaller({"architecture": "lstm"}, SETTINGS, 6), tokens) is None
    )


def test_forget_gate_of_an_lstm_with_a_known_bias():
    model = {"architecture": "lstm", "init": "forget_bias", "forget_bias": 1.0}
    gates = forget_gate(build_recaller(model, SETTINGS, 6))
    assert np.allclose(gates, 1 / (1 + math.exp(-1)))
    model = {"architecture": "transformer", "dim_feedforward": 8}
    assert forget_gate(build_recaller(model, SETTINGS, 6)) is None


def cells(solved, budget=100, status="ok", seq_len=3, model="lstm", **columns):
    """Recall cells of one model; `solved` holds a step or None for each seed."""
    return pd.DataFrame(
        {
            "model": model,
            "architecture": "lstm",
            "seq_len": seq_len,
            "solved_step": pd.array(solved, dtype="Int64").to_numpy(dtype=float, na_value=np.nan),
            "steps": budget,
            "budget_steps": budget,
            "status": status,
        }
    ).assign(**columns)


def test_distance_counts_unsolved_runs_as_longer_than_the_budget():
    near = cells([10, 20, 30, 40, 50, 60], seq_len=3)
    far = cells([90, None, None, None, None, None], seq_len=9)
    table = tables.distance(pd.concat([near, far])).set_index("seq_len")
    assert table.loc[3, "steps_to_solve_median"] == 35
    assert (table.loc[3, "solved"], table.loc[9, "solved"]) == (6, 1)
    assert table.loc[9, "steps_to_solve_median"] == math.inf
    assert table.loc[9, "solved_low"] < 1 / 6 < table.loc[9, "solved_high"]
    assert list(tables.distance_for_people(table.reset_index())["steps to solve"]) == [
        "35",
        "> 100",
    ]


def test_gradient_flow_table_has_moments_and_the_forget_gates_reference():
    flows = [[[1e-4, 1e-2, 1.0], [0.5, 0.5, 0.5], [3.0, 2.0, 1.0]]] * 2
    frame = cells([None, None], gradient_flow=flows, initial_forget_gate=[[0.5, 0.5]] * 2)
    table = tables.gradient_flow(frame).set_index(["moment", "position"])
    assert table.loc[("before training", 1), "gradient_median"] == 1e-4
    assert table.loc[("half-way", 1), "gradient_median"] == 0.5
    assert table.loc[("at the end", 1), "gradient_median"] == 3.0
    assert list(table.loc["before training"]["reference"]) == [0.25, 0.5, 1.0]
    people = tables.gradient_flow_for_people(table.reset_index())
    assert people["before training"][0] == "1.0e-04"
    assert people["forget gate alone"][0] == "2.5e-01"


def test_attention_table_is_empty_without_attention():
    frame = cells([None, None], attention=[None, None])
    assert tables.attention(frame).empty
    assert tables.attention_for_people(tables.attention(frame)).empty
