"""Interventions in trained recall models: on nets whose answer is known to follow one thing."""

import pytest
import torch
from torch import nn

from workflow.seqbench import models
from workflow.seqbench.measuring.classifier import READOUTS, SequenceClassifier, build_classifier
from workflow.seqbench.measuring.interventions import (
    forbid_first,
    intervene,
    only_first,
    swap_first_value,
)
from workflow.seqbench.measuring.seeds import generator
from workflow.seqbench.models.transformer import attention_weights
from workflow.seqbench.tasks import first_token

WIDTH, N = 12, 6  # of the embedding, which is the identity, and of the sequences
SETTINGS = {"d_model": WIDTH, "vocabulary": WIDTH}


def reader(core, readout="last"):
    """A net that names the token whose unit vector its core puts out."""
    net = SequenceClassifier(core, WIDTH, WIDTH, readout)
    with torch.no_grad():
        net.embedding.weight.copy_(torch.eye(WIDTH))
        net.head.weight.copy_(torch.eye(WIDTH))
        net.head.bias.zero_()
    return net


def examined(core, readout="last"):
    """Columns of the interventions on 500 sequences."""
    return intervene(reader(core, readout), *first_token.sample(generator("test"), 500, N, WIDTH))


class Carrier(nn.Module):
    """A recurrent core that keeps the first token in one part of its state, and reads it out."""

    STATE = ("hidden", "cell")

    def __init__(self, holds):
        super().__init__()
        self.holds = holds

    def interrupted(self, x, at, change):
        first = x[:, 0].expand(1, -1, -1)  # (layers, batch, d_model)
        state = [first if name == self.holds else 0 * first for name in self.STATE]
        after = sum(change(*state))[0].unsqueeze(1).expand(-1, x.shape[1] - at, -1)
        return torch.cat((x[:, :1].expand(-1, at, -1), after), dim=1)


class Copier(nn.Module):
    """One head that attends to the first key, or to the second, and puts out what it reads."""

    def __init__(self, key=0):
        super().__init__()
        self.key = key

    def intervened(self, x, change):
        weights = torch.full((len(x), 1, N, N), 1e-4)
        weights[..., self.key] = 1 - 1e-4 * (N - 1)
        weights, values = change(weights, x.unsqueeze(1))
        return (weights @ values).squeeze(1)


@pytest.mark.parametrize(("holds", "other"), [("cell", "hidden"), ("hidden", "cell")])
def test_an_answer_follows_the_part_of_the_state_that_holds_it(holds, other):
    columns = examined(Carrier(holds))
    assert columns == {
        "swap_state_follows": 1,
        f"swap_{holds}_follows": 1,
        f"swap_{other}_follows": 0,
    }


def test_a_mean_of_all_positions_need_not_follow_the_state():
    """Half of the outputs are from before the exchange; the tie goes to the lower token."""
    follows = examined(Carrier("cell"), "mean")["swap_state_follows"]
    assert 0.4 < follows < 0.6


def test_an_answer_follows_the_value_that_is_attended_to():
    assert examined(Copier()) == {
        "forbid_first_accuracy": pytest.approx(1 / 11, abs=0.06),
        "only_first_accuracy": 1,
        "swap_value_follows": 1,
    }
    elsewhere = examined(Copier(key=1))
    assert elsewhere["only_first_accuracy"] == 1
    assert elsewhere["swap_value_follows"] == pytest.approx(1 / 11, abs=0.06)


@pytest.mark.parametrize("causal", [True, False])
def test_changes_of_attention_are_those_of_masked_scores(causal):
    q, k, v = torch.randn(3, 2, 2, N, 4, generator=generator("test"))
    weights = attention_weights(q, k, causal)
    kept = weights.clone(), v.clone()
    scores = (q @ k.mT / 2).masked_fill(torch.ones(N, N).triu(1).bool() & causal, -torch.inf)
    scores[..., 0] = -torch.inf
    expected = scores.softmax(-1).nan_to_num(0)  # a causal model's first query sees nothing
    torch.testing.assert_close(forbid_first(weights, v)[0], expected)
    only, values = only_first(weights, v)
    assert torch.equal(only @ values, v[:, :, :1].expand_as(v))
    same, swapped = swap_first_value(weights, v)
    assert torch.equal(same, weights) and torch.equal(swapped[:, :, 1:], v[:, :, 1:])
    assert torch.equal(swapped[:, :, 0], v[[1, 0], :, 0])
    assert torch.equal(weights, kept[0]) and torch.equal(v, kept[1])


def test_the_pairs_that_count_have_different_first_tokens():
    tokens = torch.tensor([[1, 2], [1, 3], [2, 2], [2, 4]])
    columns = intervene(reader(Carrier("cell")), tokens, tokens[:, 0])
    assert columns["swap_hidden_follows"] == 0  # equal pairs would make it a half


APPLICABLE = {
    "lstm": {"swap_state_follows", "swap_cell_follows", "swap_hidden_follows"},
    "gru": {"swap_state_follows"},
    "mingru": {"swap_state_follows"},
    "transformer": {"forbid_first_accuracy", "only_first_accuracy", "swap_value_follows"},
}


@pytest.mark.parametrize("architecture", models.architectures())
@pytest.mark.parametrize("readout", READOUTS)
def test_every_model_can_be_trained_and_examined_with_every_read_out(architecture, readout):
    model = {"architecture": architecture, "readout": readout}
    net = build_classifier(model, SETTINGS, N).train()
    tokens, targets = first_token.sample(generator("test"), 9, N, WIDTH)
    logits = net(tokens)
    assert logits.shape == (9, WIDTH)
    logits.sum().backward()
    last = net.eval().core(net.embedding(tokens))
    pooled = last.mean(dim=1) if readout == "mean" else last[:, -1]
    torch.testing.assert_close(net(tokens), net.head(pooled))
    state = torch.get_rng_state()
    columns = intervene(net.train(), tokens, targets)
    assert columns.keys() == APPLICABLE.get(architecture, set())
    assert net.training and torch.equal(state, torch.get_rng_state())


def test_a_sequence_of_one_token_has_no_half_way():
    net = build_classifier({"architecture": "lstm"}, SETTINGS, 1)
    assert intervene(net, torch.tensor([[1], [2]]), torch.tensor([1, 2])) == {}
