"""The task: its data, its floors against simulation, and the random streams that it is drawn from."""

import math

import numpy as np
import pytest
import torch

from workflow.seqbench import tasks
from workflow.seqbench.measuring.seeds import derive, generator
from workflow.seqbench.tasks import first_token


def test_the_registry_is_the_folder():
    assert "first_token" in tasks.tasks()
    for name in tasks.tasks():
        task = tasks.get(name)
        assert all(hasattr(task, part) for part in ("sample", "chance_loss", "bag_of_tokens_loss"))


@pytest.mark.parametrize(("seq_len", "vocabulary"), [(1, 3), (7, 10), (50, 100)])
def test_samples(seq_len, vocabulary):
    tokens, targets = first_token.sample(generator("test"), 4000, seq_len, vocabulary)
    assert tokens.shape == (4000, seq_len)
    assert targets.shape == (4000,)
    assert tokens.dtype == targets.dtype == torch.int64
    assert torch.equal(targets, tokens[:, 0])
    # Every token but 0 is drawn, equally often: a chi-squared of K - 1 degrees of freedom.
    counts = torch.bincount(tokens.flatten(), minlength=vocabulary)
    assert len(counts) == vocabulary
    assert counts[0] == 0
    expected = tokens.numel() / (vocabulary - 1)
    chi_squared = ((counts[1:] - expected) ** 2 / expected).sum().item()
    assert chi_squared < vocabulary - 2 + 5 * math.sqrt(2 * (vocabulary - 2))


def test_tokens_of_a_sequence_are_independent():
    """Otherwise a later token would tell of the first one."""
    tokens, targets = first_token.sample(generator("test"), 20_000, 5, 4)
    for position in range(1, 5):
        share = (tokens[:, position] == targets).double().mean().item()
        assert share == pytest.approx(1 / 3, abs=5 * math.sqrt(2 / 9 / 20_000))


def test_the_same_stream_gives_the_same_samples():
    batches = [first_token.sample(generator("a"), 8, 6, 100)[0] for _ in range(2)]
    assert torch.equal(*batches)
    assert not torch.equal(batches[0], first_token.sample(generator("b"), 8, 6, 100)[0])


def test_chance_is_the_loss_of_a_uniform_guess():
    assert first_token.chance_loss(100, 100) == pytest.approx(math.log(99))
    assert first_token.chance_loss(100, 100) == pytest.approx(4.595, abs=1e-3)


@pytest.mark.parametrize(("seq_len", "vocabulary"), [(2, 3), (10, 5), (25, 100), (100, 100)])
def test_floor_of_a_bag_of_tokens_against_simulation(seq_len, vocabulary):
    """Given the counts, each token is first with probability count / L, and no guess does better."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, vocabulary, (20_000, seq_len))
    count = (tokens == tokens[:, :1]).sum(axis=1)
    losses = -np.log(count / seq_len)
    error = losses.std() / math.sqrt(len(losses))
    floor = first_token.bag_of_tokens_loss(seq_len, vocabulary)
    assert floor == pytest.approx(losses.mean(), abs=4 * error + 1e-9)


def test_floors_in_order():
    for seq_len in (2, 25, 100, 1000):
        floor = first_token.bag_of_tokens_loss(seq_len, 100)
        assert 0 < floor < first_token.chance_loss(seq_len, 100)
    assert first_token.bag_of_tokens_loss(1, 100) == pytest.approx(0)
    assert first_token.bag_of_tokens_loss(100, 100) == pytest.approx(4.031, abs=1e-3)


def test_derived_seeds_never_change():
    """Other values would be other experiments under the same seeds."""
    assert derive(0, "first_token", 100, 0, "train") == 5613784857684887030
    assert derive("") != derive(0) != derive("0")


def test_derived_seeds_depend_on_every_part():
    parts = [
        (base, task, seq_len, seed, *name)
        for base in (0, 1)
        for task in ("first_token", "other")
        for seq_len in (25, 50)
        for seed in (0, 1)
        for name in (("train",), ("eval",), ("init", "lstm"), ("init", "transformer"))
    ]
    seeds = {derive(*part) for part in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_are_unrelated():
    draws = torch.stack([torch.randn(20_000, generator=generator(0, i)) for i in range(4)])
    correlation = torch.corrcoef(draws) - torch.eye(4)
    assert correlation.abs().max() < 5 / math.sqrt(20_000)
