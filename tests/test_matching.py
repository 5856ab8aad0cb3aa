"""match_parameters_to: the width that comes nearest from below, or a sentence where none does."""

import pytest
import torch

from tests.conftest import shipped
from workflow.seqbench.config import check
from workflow.seqbench.log import UserError
from workflow.seqbench.models import TOLERANCE, build, matched_width, parameters

LSTM, GRU = {"architecture": "lstm"}, {"architecture": "gru"}
ENCODER = {"architecture": "transformer", "heads": 4, "dropout": 0}


def matched(target, **options):
    return ENCODER | options | {"match_parameters_to": target}


def count(entry, d_model, seq_len):
    return parameters(build(entry, d_model, seq_len))


CASES = [
    (matched(LSTM), 128),
    (matched(LSTM), 64),
    (matched(LSTM, positions="sinusoidal"), 64),
    (matched(LSTM, positions="learned_zero"), 64),  # a table of positions leaves less for the rest
    (matched(GRU), 128),
    (matched(LSTM, causal=True, attention="sdpa"), 128),
    (matched(LSTM | {"layers": 3}, layers=2), 64),
    (matched(LSTM, architecture="linear_attention"), 64),
]


@pytest.mark.parametrize(("model", "d_model"), CASES)
def test_never_more_parameters_and_at_most_2_percent_fewer(model, d_model):
    target = count(model["match_parameters_to"], d_model, 50)
    reached = count(model, d_model, 50)
    assert (1 - TOLERANCE) * target <= reached <= target
    width = matched_width(model, d_model, 50)
    plain = {key: value for key, value in model.items() if key != "match_parameters_to"}
    assert count(plain | {"dim_feedforward": width}, d_model, 50) == reached
    assert count(plain | {"dim_feedforward": width + 1}, d_model, 50) > target


@pytest.mark.parametrize(
    ("model", "d_model", "said"),
    [
        (matched(GRU, layers=3), 64, "within 2% of 24,960 parameters; it has"),  # too large at 1
        (matched(LSTM), 4, "no dim_feedforward brings the architecture transformer"),  # too coarse
    ],
)
def test_where_no_width_does_a_sentence_says_so(model, d_model, said):
    with pytest.raises(UserError, match=said) as caught:
        matched_width(model, d_model, 50)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError):
        build(model, d_model, 50)


def test_looking_for_a_width_draws_no_random_numbers():
    """The weights are those of the same model with the width written out."""
    width = matched_width(matched(LSTM), 16, 9)
    torch.manual_seed(0)
    one = build(matched(LSTM), 16, 9).state_dict()
    torch.manual_seed(0)
    other = build(ENCODER | {"dim_feedforward": width}, 16, 9).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_widths_of_the_published_run():
    """254 in the experiments of time and 126 in recall, as the audit's narrow layer has written out."""
    plan = check(shipped(), local=False)
    options = {name: plan.model(name, "transformer_matched") for name in ("timing", "recall")}
    assert matched_width(options["timing"], 128, 3000) == 254
    narrow = plan.model("recall_audit", "transformer_small")["dim_feedforward"]
    assert matched_width(options["recall"], 64, 100) == narrow == 126
