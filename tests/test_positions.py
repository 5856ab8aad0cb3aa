"""Gradient and attention at each position: from a net with a known answer to the tables."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from workflow.seqbench.measuring.classifier import SequenceClassifier, build_classifier
from workflow.seqbench.measuring.probes import first_token_attention, forget_gate, gradient_flow
from workflow.seqbench.results import positions
from workflow.seqbench.showing import tables

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
    net = build_classifier(model, SETTINGS, 6).train()
    tokens, state = torch.randint(1, 10, (3, 6)), torch.get_rng_state()
    gradient_flow(net, tokens, tokens[:, 0])
    first_token_attention(net, tokens)
    assert net.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in net.parameters())


def test_attention_is_a_distribution_and_absent_without_attention():
    tokens = torch.randint(1, 10, (3, 6))
    model = {"architecture": "transformer", "dim_feedforward": 8}
    weights = first_token_attention(build_classifier(model, SETTINGS, 6), tokens)
    assert len(weights) == 6
    assert math.isclose(sum(weights), 1, rel_tol=1e-5)
    assert (
        first_token_attention(build_classifier({"architecture": "lstm"}, SETTINGS, 6), tokens)
        is None
    )


def test_attention_is_that_of_the_position_that_is_read():
    tokens = torch.randint(1, 10, (3, 6))
    model = {"architecture": "transformer", "dim_feedforward": 8, "positions": "sinusoidal"}
    last, mean, causal = (
        build_classifier(model | options, SETTINGS, 6)
        for options in ({"readout": "last"}, {"readout": "mean"}, {"causal": True})
    )
    assert first_token_attention(last, tokens) == first_token_attention(causal, tokens)
    assert first_token_attention(last, tokens) != first_token_attention(mean, tokens)


def test_forget_gate_of_an_lstm_with_a_known_bias():
    model = {"architecture": "lstm", "init": "forget_bias", "forget_bias": 1.0}
    gates = forget_gate(build_classifier(model, SETTINGS, 6))
    assert np.allclose(gates, 1 / (1 + math.exp(-1)))
    model = {"architecture": "transformer", "dim_feedforward": 8}
    assert forget_gate(build_classifier(model, SETTINGS, 6)) is None


def shards(n, seq_len=3, model="lstm", **columns):
    """Shards of a model, one a seed; a column that is a function takes the seed."""
    keys = {"model": model, "architecture": model, "seq_len": seq_len, "seed": range(n)}
    lists = {
        name: [column(seed) if callable(column) else column for seed in range(n)]
        for name, column in columns.items()
    }
    return pd.DataFrame(keys | lists)


FLOW = [[1e-4, 1e-2, 1.0], [0.5, 0.5, 0.5], [3.0, 2.0, 1.0]]


def test_gradient_flow_has_moments_and_the_forget_gates_reference():
    frame = shards(2, gradient_flow=FLOW, initial_forget_gate=[0.5, 0.5])
    table = positions.gradient_flow(frame)
    at = table.set_index(["moment", "position"])
    assert at.loc[("before training", 1), "gradient_median"] == 1e-4
    assert at.loc[("half-way", 1), "gradient_median"] == 1.0  # as much as at the last position
    assert at.loc[("at the end", 1), "gradient_median"] == 3.0
    assert list(at.loc["before training"]["reference"]) == [0.25, 0.5, 1.0]
    shown = tables.gradient_flow(table)
    assert list(shown) == list(tables.views()["gradient_flow"])
    assert shown.iloc[0].tolist() == ["lstm", "3", "1.0e-04", "1.0e+00", "3.0e+00", "2.5e-01"]


def test_a_model_without_a_forget_gate_has_no_reference():
    frame = shards(2, gradient_flow=FLOW, initial_forget_gate=None, model="transformer")
    table = positions.gradient_flow(frame)
    assert table["reference"].isna().all()
    assert tables.gradient_flow(table)["forget gate alone"].tolist() == ["–"]


def test_positions_have_the_median_and_range_over_seeds_of_shares():
    """Each seed's norms are taken relative to its own last one: their sizes differ by far more."""

    def flow(seed):
        return [
            [[9, 1, 100][seed] * norm for norm in [*norms[:2], norms[2] / (1 + seed)]]
            for norms in FLOW
        ]

    table = positions.gradient_flow(shards(3, gradient_flow=flow, initial_forget_gate=None))
    row = table[(table["moment"] == "at the end") & (table["position"] == 1)].iloc[0]
    assert row[["gradient_median", "gradient_min", "gradient_max", "n"]].tolist() == pytest.approx(
        [6, 3, 9, 3]
    )
    nothing = shards(1, gradient_flow=[[]], initial_forget_gate=None).assign(gradient_flow=[[]])
    with_one = pd.concat([shards(3, gradient_flow=flow, initial_forget_gate=None), nothing])
    assert positions.gradient_flow(with_one).equals(table)  # a cell that could not be trained
    # A run that ended early has fewer evaluations; its end counts as the end.
    uneven = positions.gradient_flow(
        shards(2, gradient_flow=lambda seed: FLOW[: 3 - seed], initial_forget_gate=None)
    )
    ends = uneven[(uneven["moment"] == "at the end") & (uneven["position"] == 1)]
    assert ends["gradient_median"].tolist() == [(3.0 + 1.0) / 2]


def test_tables_have_rows_for_each_model_and_length_in_their_order():
    parts = [
        shards(2, 3, "b", gradient_flow=FLOW, initial_forget_gate=None),
        shards(2, 3, "a", gradient_flow=FLOW, initial_forget_gate=None),
    ]
    table = positions.gradient_flow(pd.concat(parts))
    assert table["model"].unique().tolist() == ["b", "a"] and len(table) == 2 * 3 * 3
    assert tables.gradient_flow(table)["model"].tolist() == ["b", "a"]


def test_attention_is_held_against_an_even_look():
    frame = shards(3, 4, attention=lambda seed: [0.5 + 0.1 * seed, 0.2, 0.2, 0.1 - 0.1 * seed])
    table = positions.attention(frame)
    assert table["position"].tolist() == [1, 2, 3, 4]
    first = table.iloc[0]
    assert first[["attention_median", "attention_min", "attention_max"]].tolist() == pytest.approx(
        [0.6, 0.5, 0.7]
    )
    assert first["uniform"] == 0.25
    shown = tables.attention(table)
    assert list(shown) == list(tables.views()["attention"])
    assert shown.iloc[0].tolist() == ["lstm", "4", "0.6", "2.4"]


def test_attention_table_is_empty_without_attention():
    table = positions.attention(shards(2, attention=None))
    assert table.empty
    assert tables.attention(table).empty
