"""Training: the same cell twice, cells that end badly or well, models whose result is known."""

import math
import sys

import numpy as np
import pytest
import torch

from tests.conftest import shipped
from workflow.seqbench.config import check
from workflow.seqbench.measuring import training as recall_train
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.evaluate import evaluate, lengthened
from workflow.seqbench.measuring.probes import forget_gate, gradient_flow
from workflow.seqbench.measuring.seeds import generator
from workflow.seqbench.results import shards
from workflow.seqbench.results.schemas import schema
from workflow.seqbench.tasks import first_token

SETTINGS = {
    **check(shipped()).settings("recall", "transformer", 100),
    "d_model": 16,
    "batch_size": 16,
    "steps": 20,
    "evaluate_every": 5,
    "evaluation_size": 40,
    "confirmation_size": 200,
}
LSTM = {"architecture": "lstm"}
CHRONO = LSTM | {"init": "chrono"}
TRANSFORMER = {"architecture": "transformer", "heads": 2, "dim_feedforward": 16, "dropout": 0.1}
MEAN = {"readout": "mean"}


@pytest.fixture(autouse=True)
def torch_as_before():
    """A cell asks torch for deterministic algorithms and draws from its global stream."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    state = torch.get_rng_state()
    yield
    torch.use_deterministic_algorithms(before)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    torch.set_rng_state(state)


def known(name, **options):
    return {"architecture": f"tests.known_truth:{name}", **options}


def train(model, name="model", seq_len=6, seed=0, **settings):
    cell = {"model": name, "seq_len": seq_len, "seed": seed}
    return recall_train.train_cell("recall", cell, model, SETTINGS | settings)


def write(row, folder):
    """Write the row as the cell's script does."""
    row = row | {"code_digest": "0" * 16}
    shards.write(row, schema("training", "recall"), folder / "shard.parquet", {})


# Seeds.


MEASURED_BY_A_CLOCK = ("solved_s", "training_s", "evaluation_s", "cell_s", "step_s", "started_at")
LOAD = ("load_start", "load_end", "busy_cores")


@pytest.mark.parametrize("curriculum", [0, 2])
@pytest.mark.parametrize(
    "model", [LSTM, CHRONO, TRANSFORMER], ids=["lstm", "chrono", "transformer with dropout"]
)
def test_a_cell_gives_the_same_row_bit_for_bit(model, curriculum):
    first = train(model, curriculum_from=curriculum)
    torch.rand(7)  # whatever happened in the process before
    second = train(model, curriculum_from=curriculum)
    for column in first.keys() - {*MEASURED_BY_A_CLOCK, *LOAD}:
        assert first[column] == second[column], column


def test_the_name_of_a_model_changes_nothing():
    assert train(CHRONO)["train_loss"] == train(CHRONO, name="other")["train_loss"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"base_seed": 1}, {"seq_len": 7}, {"lr": 0.001}])
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
    """Evaluation, its confirmation and the probes are on fresh data, each from a stream of its own."""
    drawn = batches(monkeypatch, model=LSTM, seq_len=12, solved_accuracy=0.0)
    assert {len(tokens) for tokens in drawn} >= {16, 40, 200}  # training, evaluation, confirmation
    sequences = torch.cat([tokens for tokens in drawn if tokens.shape[1] == 12])
    assert len(sequences.unique(dim=0)) == len(sequences)


# Initial weights: what two models have in common starts from the same values.


def start(model, seq_len=6, **settings):
    """Weights of a cell before its first step, by name, and the state that dropout draws from."""
    kept = {}

    def noted(net, *arguments):
        kept["weights"] = {name: value.clone() for name, value in net.state_dict().items()}
        kept["dropout"] = torch.get_rng_state()
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(recall_train, "train", noted)
        train(model, seq_len=seq_len, **settings)
    return kept["weights"], kept["dropout"]


def differing(one, other):
    """Names of the weights that two models do not share, those included that one of them lacks."""
    (a, _), (b, _) = start(one), start(other)
    return {n for n in a.keys() | b.keys() if n not in a or n not in b or not a[n].equal(b[n])}


FRAME = {"embedding.weight", "head.weight", "head.bias"}
ATTENDING = TRANSFORMER | {"attention": "sdpa", "positions": "sinusoidal"}
BIASES = {"core.lstm.bias_ih_l0", "core.lstm.bias_hh_l0"}


@pytest.mark.parametrize(
    ("one", "other", "own"),
    [
        (LSTM, CHRONO, BIASES),
        (LSTM, LSTM | {"init": "forget_bias", "forget_bias": 3.0}, BIASES),
        (LSTM, LSTM | {"detach_at": 0.5}, set()),
        *((model, model | MEAN, set()) for model in (LSTM, CHRONO, ATTENDING)),
        (ATTENDING, ATTENDING | {"positions": "learned_normal"}, {"core.positions.table"}),
        (ATTENDING, ATTENDING | {"positions": "rotary"}, {"core.positions.table"}),
        (ATTENDING, ATTENDING | {"causal": True, "attention": "uniform", "dropout": 0}, set()),
    ],
)
def test_models_share_all_weights_but_those_of_the_part_that_differs(one, other, own):
    assert differing(one, other) == own


def test_all_models_share_embedding_classifier_and_the_stream_of_dropout():
    for other in (CHRONO, {"architecture": "gru"}, TRANSFORMER, known("Oracle")):
        assert not differing(LSTM, other) & FRAME
        assert torch.equal(start(LSTM)[1], start(other)[1])


@pytest.mark.parametrize("model", [CHRONO, TRANSFORMER], ids=["chrono", "transformer"])
def test_another_seed_has_other_weights(model):
    weights, dropout = start(model)
    for cell in ({"seed": 1}, {"base_seed": 1}, {"seq_len": 7}):
        others, stream = start(model, **cell)
        assert not torch.equal(dropout, stream)
        for name, value in weights.items():
            drawn = "norm" not in name and value.abs().sum() > 0
            assert not drawn or not torch.equal(value, others[name]), name


def test_the_parts_of_a_model_have_streams_of_their_own(monkeypatch):
    seeds, seed = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda value: seeds.append(value) or seed(value))
    start(LSTM)
    assert len(set(seeds)) == len(seeds) == 4  # embedding, core, head and dropout


# What a row holds.


def test_a_row_is_complete(tmp_path):
    row = train(TRANSFORMER)
    write(row, tmp_path)  # its code digest is the script's to say
    names = {"code_digest", "swap_state_follows", "swap_cell_follows", "swap_hidden_follows"}
    assert (
        set(schema("training", "recall").names) - row.keys() == names
    )  # a Transformer has no such state
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
    row = train(LSTM, seq_len=9, steps=50)
    assert [len(norms) for norms in row["gradient_flow"]] == [9] * 4  # at 0, 20, 40 and 50 steps
    assert all(norm > 0 for norms in row["gradient_flow"] for norm in norms)


def test_attention_is_looked_at_at_each_evaluation():
    row = train(TRANSFORMER, seq_len=9, steps=50)
    assert len(row["attention_first"]) == 1 + len(row["eval_step"]) == 11


def test_gradient_flow_of_an_oracle_reaches_the_first_token_alone():
    net = build_classifier(known("Oracle"), SETTINGS, 5)
    tokens, targets = first_token.sample(generator("test"), 8, 5, 100)
    first, *rest = gradient_flow(net, tokens, targets)
    assert first > 0
    assert rest == [0] * 4


def test_gradient_flow_against_finite_differences():
    """Each sequence's own loss by its own embeddings, then the mean of the norms."""
    torch.manual_seed(0)
    net = build_classifier(LSTM, SETTINGS, 3).double()
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
    net = build_classifier(LSTM, SETTINGS, 5)
    assert np.mean(forget_gate(net)) == pytest.approx(0.5, abs=0.05)
    assert forget_gate(build_classifier(TRANSFORMER, SETTINGS, 5)) is None


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
    write(row, tmp_path)


def test_a_cell_that_takes_too_long_is_over_budget_and_a_row(tmp_path):
    row = train(LSTM, max_seconds=1e-9)
    assert (row["status"], row["steps"], row["eval_step"]) == ("over budget", 5, [5])
    assert row["error"] == "over budget after 5 of 20 steps"
    write(row, tmp_path)


# What counts as solved.


def verdicts(monkeypatch, accuracies, confirmations=(), **settings):
    """The row of a cell whose evaluations and confirmations give these accuracies, and no others."""
    left = {
        SETTINGS["evaluation_size"]: [*accuracies],
        SETTINGS["confirmation_size"]: [*confirmations],
    }

    def scripted(net, task, fresh, size, seq_len, settings, passing=0.0):
        return float(size), left[size].pop(0)

    with monkeypatch.context() as patch:
        patch.setattr(recall_train, "evaluate", scripted)
        row = train(LSTM, **settings)
    assert [*left.values()] == [[], []]  # as often as expected and no oftener
    return row


# Accuracies of evaluations (every 5 steps) and confirmations; then solved_step, solved_step_loose,
# confirmed_accuracy and the steps of 40 at most, or of so many, with 10 steps after solved.
HIGH, LOW = 0.99, 0.98
ENDS = {
    "never": ([LOW] * 8, [], None, None, None, 40),
    "one alone": ([LOW, HIGH] + [LOW] * 6, [], None, 10, None, 40),
    "not in a row": ([HIGH, LOW, HIGH] + [LOW] * 5, [], None, 5, None, 40),
    "the last alone": ([LOW] * 7 + [HIGH], [], None, 40, None, 40),
    "two in a row": ([LOW, HIGH, HIGH], [HIGH], 10, 10, HIGH, 20),
    "after one alone": ([HIGH, LOW, HIGH, HIGH], [HIGH], 15, 5, HIGH, 25),
    "the last two": ([LOW] * 6 + [HIGH, HIGH], [HIGH], 35, 35, HIGH, 40),
    "the last but one": ([LOW] * 5 + [HIGH, HIGH], [HIGH], 30, 30, HIGH, 40),
    "not confirmed": ([HIGH, HIGH] + [LOW] * 5, [LOW], None, 5, LOW, 40),
    "not confirmed at the end": ([LOW] * 6 + [HIGH, HIGH], [LOW], None, 35, LOW, 40),
    "confirmed later": ([HIGH, HIGH, LOW, HIGH, HIGH], [LOW, HIGH], 25, 5, HIGH, 35),
    "two again after a confirmation": ([HIGH] * 4, [LOW, HIGH], 20, 5, HIGH, 30),
}


@pytest.mark.parametrize("name", ENDS)
def test_solved_is_two_in_a_row_and_a_confirmation(monkeypatch, name):
    accuracies, confirmations, step, loose, confirmed, steps = ENDS[name]
    row = verdicts(monkeypatch, accuracies, confirmations, steps=40, steps_after_solved=10)
    assert (row["solved_step"], row["solved_step_loose"]) == (step, loose)
    assert (row["confirmed_accuracy"], row["steps"]) == (confirmed, steps)
    assert (row["solved_s"] is None) == (step is None)
    assert row["status"] == "ok"


def test_what_a_solved_training_ends_with_is_its_confirmation(monkeypatch):
    row = verdicts(monkeypatch, [LOW, 0.995, 0.995], [HIGH], steps=40, steps_after_solved=15)
    assert row["eval_step"] == [5, 10, 15, 25]  # and nothing in between
    assert row["eval_accuracy"] == [LOW, 0.995, 0.995, HIGH]
    assert row["final_accuracy"] == row["confirmed_accuracy"] == HIGH
    assert row["final_loss"] == SETTINGS["confirmation_size"]  # as scripted
    assert len(row["train_loss"]) == 25


def test_a_confirmation_ends_when_it_cannot_pass_any_more_but_at_the_last_step(monkeypatch):
    asked = []

    def passes_while_small(net, task, fresh, size, seq_len, settings, passing=0.0):
        if size == SETTINGS["confirmation_size"]:
            asked.append(passing)
            return 1.0, LOW
        return 1.0, HIGH

    monkeypatch.setattr(recall_train, "evaluate", passes_while_small)
    train(LSTM, steps=30, steps_after_solved=10)
    assert asked == [SETTINGS["solved_accuracy"], 0.0]


def test_a_confirmation_is_on_confirmation_size_sequences_of_its_own(monkeypatch):
    drawn = batches(
        monkeypatch, model=known("Oracle"), solved_accuracy=0.0, steps_after_solved=0, seq_len=5
    )
    expected, _ = first_token.sample(generator(0, "first_token", 5, 0, "confirm"), 200, 5, 100)
    assert sum(tokens.shape == (200, 5) and tokens.equal(expected) for tokens in drawn) == 1


def test_a_run_that_diverges_after_it_was_solved_is_not_solved():
    row = train(known("Diverging", good=350), seq_len=30, **LONG | {"steps_after_solved": 300})
    assert (row["status"], row["steps"]) == ("diverged", 351)
    assert row["eval_accuracy"][-3:-1] == [1, 1] and row["solved_step_loose"] is not None
    assert row["solved_step"] is row["solved_s"] is None and row["confirmed_accuracy"] == 0


EASY = {"vocabulary": 4, "steps": 400, "lr": 0.02}


def test_an_easy_cell_is_solved_and_goes_on_for_steps_after_solved():
    row = train(LSTM, seq_len=2, steps_after_solved=10, **EASY)
    assert row["status"] == "ok"
    passed = [s for s, a in zip(row["eval_step"], row["eval_accuracy"], strict=True) if a >= 0.99]
    assert row["solved_step"] == next(s for s in passed if s + 5 in passed)
    assert row["solved_step_loose"] == passed[0]
    assert row["confirmed_accuracy"] >= 0.99
    assert row["steps"] == row["solved_step"] + 10 < 400
    assert len(row["train_loss"]) == row["steps"]
    assert 0 < row["solved_s"] <= row["step_s"] * row["steps"]
    assert row["training_s"] == pytest.approx(row["step_s"] * row["steps"])
    assert row["evaluation_s"] > 0


def test_without_steps_after_solved_a_cell_ends_with_the_second_evaluation():
    row = train(LSTM, seq_len=2, steps_after_solved=0, **EASY)
    assert row["steps"] == row["solved_step"] + 5


def test_a_cell_that_is_not_solved_has_no_step():
    row = train(LSTM)
    for column in ("solved_step", "solved_s", "solved_step_loose", "confirmed_accuracy"):
        assert row[column] is None


def test_evaluation_counts_each_sequence_once_however_it_is_split(monkeypatch):
    net = build_classifier(LSTM, SETTINGS, 6).train()
    results = []
    for chunk in (1, 10, 1000):
        monkeypatch.setattr("workflow.seqbench.measuring.evaluate.CHUNK", chunk)
        results.append(evaluate(net, first_token, generator("test"), 33, 6, SETTINGS))
    assert results[1:] == [pytest.approx(results[0], rel=1e-5)] * 2
    tokens, targets = first_token.sample(generator("test"), 33, 6, 100)
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(net(tokens), targets).item()
    assert results[0][0] == pytest.approx(expected, rel=1e-5)
    assert net.training


class Scripted(torch.nn.Module):
    """Wrong about some of the sequences that it is asked, by their number; right about the others."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong, self.asked = torch.tensor([*wrong]), 0

    def forward(self, tokens):
        number = torch.arange(self.asked, self.asked + len(tokens))
        self.asked += len(tokens)
        answer = tokens[:, 0].masked_fill(torch.isin(number, self.wrong), 0)
        return torch.nn.functional.one_hot(answer, 100).double()


@pytest.mark.parametrize(
    ("wrong", "passing", "asked"),
    [
        ((0, 1), 0.99, 256),
        ((0, 1, 2), 0.99, 16),
        ((0, 20, 40), 0.99, 64),
        ((0, 70, 140), 0.99, 160),
        ((253, 254, 255), 0.99, 256),
        (range(128), 0.5, 256),  # just enough
        (range(246), 0.0, 256),
    ],
)
def test_an_evaluation_ends_when_it_cannot_pass_any_more(wrong, passing, asked):
    net, stream = Scripted(wrong), generator("test")
    _, accuracy = evaluate(net, first_token, stream, 256, 6, SETTINGS, passing)
    assert net.asked == asked
    assert accuracy == 1 - sum(number < asked for number in wrong) / asked
    assert (accuracy >= passing) == (1 - len(wrong) / 256 >= passing)
    whole = generator("test")
    evaluate(Scripted([]), first_token, whole, 256, 6, SETTINGS)
    assert torch.equal(stream.get_state(), whole.get_state())  # the next one has the same data


def test_evaluations_may_end_early_but_for_the_last(monkeypatch):
    passing = []

    def noted(*arguments):
        passing.append(arguments[6:])
        return 1.0, 0.5

    monkeypatch.setattr(recall_train, "evaluate", noted)
    train(LSTM)
    assert passing == [(0.99,)] * 3 + [(0.0,)]


# Where the target is asked for.


def test_asking_at_every_position_trains_on_the_mean_over_positions():
    net = build_classifier(LSTM, SETTINGS, 6, (0, "first_token", 6, 0))
    tokens, targets = first_token.sample(generator(0, "first_token", 6, 0, "train"), 16, 6, 100)
    y = net.core(net.embedding(tokens))
    each = [torch.nn.functional.cross_entropy(net.head(y[:, t]), targets) for t in range(6)]
    everywhere, end = (train(LSTM, ask_at=where) for where in ("every_position", "end"))
    assert everywhere["train_loss"][0] == pytest.approx(sum(each).item() / 6, rel=1e-5)
    assert end["train_loss"][0] == pytest.approx(each[-1].item(), rel=1e-5)
    assert (
        everywhere["gradient_flow"][0] == end["gradient_flow"][0]
    )  # of the question that is judged


def test_asking_at_every_position_is_judged_at_the_last():
    """The model knows the first token at every position but the last."""
    row = train(known("Forgetful"), ask_at="every_position", seq_len=5, **LONG | {"steps": 200})
    assert np.mean(row["train_loss"][-20:]) < 2  # four of five positions are easy
    assert row["final_accuracy"] < 0.05


def test_a_mean_of_all_positions_has_no_answer_at_each():
    with pytest.raises(ValueError, match="needs readout last, not mean"):
        train(LSTM | MEAN, ask_at="every_position")


# A curriculum.


def test_a_curriculum_grows_when_it_is_solved_and_is_judged_at_the_full_length():
    row = train(LSTM, seq_len=5, curriculum_from=2, steps_after_solved=0, **EASY | {"steps": 1500})
    lengths = row["train_length"]
    assert len(lengths) == len(row["eval_step"])
    assert sorted(set(lengths)) == [2, 3, 5] and lengths == sorted(lengths)
    assert row["solved_step"] is not None and row["confirmed_accuracy"] >= 0.99
    plain = train(LSTM, seq_len=5)
    assert set(plain["train_length"]) == {5}
    assert row["gradient_flow"][0] == train(LSTM, seq_len=5, **EASY)["gradient_flow"][0]


def test_a_curriculum_stays_where_it_is_not_solved():
    assert set(train(LSTM, curriculum_from=3)["train_length"]) == {3}
    assert set(train(LSTM, curriculum_from=50)["train_length"]) == {6}  # never beyond seq_len


def test_models_share_the_data_of_each_length(monkeypatch):
    """Also with models that have no curriculum, once it has reached the full length."""
    settings = {
        "seq_len": 4,
        "solved_accuracy": 0.0,
        "evaluation_size": 99,
        "steps_after_solved": 99,
    }
    one = batches(monkeypatch, model=known("Oracle"), curriculum_from=2, **settings)
    other = batches(monkeypatch, model=LSTM, curriculum_from=2, steps=25, **settings)
    plain = batches(monkeypatch, model=LSTM, **settings)

    def at(drawn, length):
        return [tokens for tokens in drawn if tokens.shape == (16, length)]

    for length in (2, 3, 4):
        pairs = list(zip(at(one, length), at(other, length), strict=False))
        assert len(pairs) >= 5 and all(a.equal(b) for a, b in pairs)
    assert not at(one, 2)[0].flatten()[:32].equal(at(one, 3)[0].flatten()[:32])
    assert len(at(one, 4)) > 1 and all(
        a.equal(b) for a, b in zip(at(one, 4), at(plain, 4), strict=False)
    )


# What is seen inside a model while it trains, and after.


def test_gradient_shares_are_those_of_the_gradient_before_training():
    row = train(CHRONO)
    first, last = row["gradient_flow"][0][0], row["gradient_flow"][0][-1]
    assert (row["gradient_first_initial"], row["gradient_last_initial"]) == (first, last)
    assert row["gradient_share_initial"] == first / last
    assert row["gradient_share_initial"] > train(LSTM)["gradient_share_initial"]
    assert train(known("Oracle"))["gradient_share_initial"] is None  # none reaches the last


def test_attention_to_the_first_token_at_every_evaluation():
    row = train(TRANSFORMER | {"causal": True})
    assert len(row["attention_first"]) == 1 + len(row["eval_step"])
    assert row["attention_first"][-1] == row["attention"][0]
    assert len(set(row["attention_first"])) > 1
    frozen = train(TRANSFORMER | {"attention": "uniform"})
    assert frozen["attention_first"] == pytest.approx([1 / 6] * 5, rel=1e-5)
    assert train(LSTM)["attention_first"] is None


READS_ON = [
    *(LSTM, CHRONO, {"architecture": "gru"}, {"architecture": "feed_forward"}),
    *(ATTENDING | {"positions": p} for p in ("none", "sinusoidal", "rotary")),
    *(TRANSFORMER | {"causal": True}, {"architecture": "hybrid"}),
]


@pytest.mark.parametrize("model", READS_ON, ids=lambda model: "-".join(map(str, model.values())))
def test_a_lengthened_model_is_the_same_model(model):
    torch.manual_seed(1)
    net = build_classifier(model, SETTINGS, 6).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        longer = lengthened(net, model, SETTINGS, 24).eval()
        tokens, _ = first_token.sample(generator("test"), 8, 24, 100)
        torch.testing.assert_close(longer(tokens[:, :6]), net(tokens[:, :6]))
        assert longer(tokens).isfinite().all()


@pytest.mark.parametrize("positions", ["learned_zero", "learned_normal"])
def test_a_learned_table_is_a_reason_for_no_result_at_greater_length(positions, tmp_path):
    row = train(TRANSFORMER | {"positions": positions})
    assert row["accuracy_2x"] is row["accuracy_4x"] is None
    assert row["accuracy_longer_error"] == "core.positions.table is learned and has 6 positions"
    write(row, tmp_path)


@pytest.mark.parametrize("positions", ["learned_normal", "sinusoidal"])
def test_a_matched_model_is_as_wide_at_greater_lengths(positions):
    """A learned table of four times the length would leave nothing for the feed-forward part."""
    matched = {"match_parameters_to": {"architecture": "lstm"}, "dropout": 0, "heads": 2}
    model = {"architecture": "transformer", "positions": positions, **matched}
    row = train(model, seq_len=40, steps=2, d_model=16)
    assert (row["accuracy_4x"] is None) == (positions == "learned_normal")


def test_accuracy_at_greater_lengths_is_that_at_those_lengths():
    """The last of a window of 20 tokens is the first of a sequence up to that length."""
    row = train(known("Window", width=20), seq_len=8, **LONG)
    assert row["final_accuracy"] == row["accuracy_2x"] == 1 and row["accuracy_4x"] < 0.05
    assert row["accuracy_longer_error"] is None
    assert train(known("Oracle"), seq_len=8, **LONG)["accuracy_4x"] == 1


class Limited(torch.nn.Module):
    """Copies the first position, and has memory for sequences of no more than 2 x seq_len."""

    def __init__(self, d_model, seq_len, most=16):
        super().__init__()
        self.most = most
        self.scale = torch.nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        if x.shape[1] > self.most:
            raise MemoryError("no room for so many tokens")
        return self.scale * x[:, :1].expand_as(x)


def test_memory_that_lacks_at_greater_lengths_is_no_reason_to_forget_the_training(tmp_path):
    model = {"architecture": "tests.test_recall:Limited", "most": 16}
    row = train(model, seq_len=8, steps=40)
    assert (row["status"], row["steps"]) == ("ok", 40) and len(row["train_loss"]) == 40
    assert row["accuracy_2x"] is not None and row["accuracy_4x"] is None
    assert row["accuracy_longer_error"] == "no room for so many tokens"
    write(row, tmp_path)


def test_a_model_too_large_to_build_is_a_row(tmp_path):
    row = train(TRANSFORMER | {"dim_feedforward": 10**12})
    assert (row["status"], row["steps"], row["train_loss"]) == ("out of memory", 0, [])
    assert row["error"] and row.get("parameters") is None
    write(row, tmp_path)


def test_a_cell_that_was_ended_is_not_built_again(tmp_path):
    """What hung or died when it was built would do so again."""
    cell = {"model": "model", "seq_len": 6, "seed": 0}
    ended = {"status": "over budget", "error": "ended from outside after 5 s"}
    model = {"architecture": "tests.test_recall:NeverBuilt"}  # there is no such class
    row = recall_train.train_cell("recall", cell, model, SETTINGS, ended)
    assert (row["status"], row["error"]) == tuple(ended.values())
    write(row, tmp_path)


def test_a_trained_lstm_answers_from_its_cell_state():
    settings = EASY | {"seq_len": 4, "steps": 1000, "evaluation_size": 200}
    row = train(CHRONO, **settings)
    assert row["solved_step"] is not None
    assert row["swap_state_follows"] > 0.95
    assert row["swap_cell_follows"] > row["swap_hidden_follows"]
    assert not {"forbid_first_accuracy", "swap_value_follows"} & row.keys()


# What costs time and changes no number.


def test_a_cell_keeps_its_memory_and_fills_none_of_it(run_python):
    """In a process of its own, as malloc is set for good."""
    code = """
import resource
import torch
from tests.test_recall import LSTM, train
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (16, 16, 48, 48):  # MB: below and above what glibc keeps at most
        torch.ones(size << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(), print(faults())
train(LSTM)
faults(), print(faults())
print(torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory)
"""
    before, after, flags = run_python(code).splitlines()
    if sys.platform != "linux" or int(before) < 10_000:
        pytest.skip("the C library keeps its memory by itself")
    assert int(after) < 1000
    assert flags == "True False"


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
