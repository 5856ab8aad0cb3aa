"""The contract of an architecture (workflow/seqbench/models/__init__.py), and what each one claims."""

import inspect
import itertools
import math
import subprocess
import sys

import pytest
import torch
import yaml
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import shipped
from workflow.seqbench import models
from workflow.seqbench.config import check
from workflow.seqbench.log import UserError
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.models import _blocks, gru, lstm, mingru, transformer
from workflow.seqbench.sources import ROOT
from workflow.seqbench.workloads import decode as decoding

D, N = (
    16,
    70,
)  # width and length; N is more than one chunk of linear attention, and no multiple of it
CAUSAL = {"transformer": {"causal": True}}  # what a model needs in order to decode, beyond defaults
ATTENTION, EQUIVALENT = transformer.ATTENTION, transformer.EQUIVALENT


def build(architecture, seq_len=N, **options):
    """A model from the same start each time."""
    torch.manual_seed(0)
    return models.build({"architecture": architecture, **options}, D, seq_len)


def sequence(batch=2, seq_len=N, dtype=torch.float32):
    return torch.randn(batch, seq_len, D, generator=torch.Generator().manual_seed(1), dtype=dtype)


def decode(model, x):
    """Outputs of step over the whole of x, and the last state."""
    outputs, state = [], None
    for x_t in x.unbind(1):
        y_t, state = model.step(x_t, state)
        outputs.append(y_t)
    return torch.stack(outputs, dim=1), state


def tensors(state):
    """All tensors in nested lists and tuples."""
    if isinstance(state, torch.Tensor):
        return [state]
    return [t for part in state for t in tensors(part)] if isinstance(state, list | tuple) else []


def assert_same(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, atol=atol, rtol=atol)


# The contract, clause by clause, for every architecture with its default options.


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On a busy machine two threads take many times as long over tensors this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=models.architectures())
def architecture(request):
    return request.param


def test_output_has_the_shape_of_the_input(architecture):
    model = build(architecture)
    for seq_len in (1, 2, 3, N - 1, N):
        for training in (True, False):
            with torch.set_grad_enabled(training):
                assert model.train(training)(sequence(3, seq_len)).shape == (3, seq_len, D)


def test_gradients_reach_every_parameter(architecture):
    model = build(architecture, layers=2)
    target = torch.randn(2, N, D, generator=torch.Generator().manual_seed(2))
    (model(sequence()) - target).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_eval_is_deterministic(architecture):
    model, x = build(architecture).eval(), sequence()
    with torch.inference_mode():
        assert torch.equal(model(x), model(x))


def test_initialisation_follows_the_seed(architecture):
    first, again = build(architecture).state_dict(), build(architecture).state_dict()
    other = models.build({"architecture": architecture}, D, N).state_dict()  # the stream goes on
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


BLOCK = 4 * (D * D + D) + (2 * D * 2048 + 2048 + D) + 4 * D  # projections, feed-forward, norms
PARAMETERS = {  # of one layer of each architecture
    "feed_forward": 2 * D * 2048 + 2048 + 3 * D,
    "gru": 3 * (2 * D * D + 2 * D),
    "linear_attention": BLOCK,
    "lstm": 4 * (2 * D * D + 2 * D),
    "mingru": 2 * (D * D + D),
    "transformer": BLOCK,
}
PARAMETERS["hybrid"] = PARAMETERS["lstm"] + BLOCK


@pytest.mark.parametrize("layers", [1, 3])
def test_parameters_are_those_of_the_closed_form(architecture, layers):
    below = "lstm" if architecture == "hybrid" else architecture  # one layer of attention on top
    expected = PARAMETERS[architecture] + (layers - 1) * PARAMETERS[below]
    assert models.parameters(build(architecture, layers=layers)) == expected


@pytest.mark.filterwarnings("ignore:TF32")  # of switching oneDNN off
@pytest.mark.parametrize(("seq_len", "layers"), [(1, 1), (N, 1), (N, 2), (128, 1)])
def test_flops_are_those_that_torch_counts(architecture, seq_len, layers):
    model = build(architecture, seq_len, layers=layers).train()  # eval's fused path counts as 0
    # So do oneDNN's LSTM and the fused attention of the CPU; without them each product is counted.
    with (
        torch.backends.mkldnn.flags(enabled=False),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model(sequence(1, seq_len))
    assert model.flops(seq_len) == counter.get_total_flops()


@pytest.mark.parametrize("layers", [1, 2])
def test_step_flops_are_those_that_torch_counts(architecture, layers):
    model = build(architecture, layers=layers, **CAUSAL.get(architecture, {})).eval()
    state = None
    for context, x_t in enumerate(sequence(1, 5).unbind(1)):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            _, state = model.step(x_t, state)
        assert model.step_flops(context) == counter.get_total_flops()


@pytest.mark.parametrize("layers", [1, 2])
def test_steps_give_what_forward_gives(architecture, layers):
    model = build(architecture, layers=layers, **CAUSAL.get(architecture, {})).eval()
    x = sequence()
    with torch.inference_mode():
        assert_same(decode(model, x)[0], model(x))


@pytest.mark.parametrize("layers", [1, 2])
def test_state_bytes_are_those_of_the_state(architecture, layers):
    model = build(architecture, layers=layers, **CAUSAL.get(architecture, {})).eval()
    _, state = decode(model, sequence(batch=1))  # as long as the model: a cache is full
    assert model.state_bytes(N) == sum(t.numel() * t.element_size() for t in tensors(state))


def test_options_are_read_off_the_source(architecture):
    module, name = models.locate(architecture)
    build(architecture)
    signature = inspect.signature(getattr(sys.modules[module], name)).parameters
    expected = {
        option: models.REQUIRED if parameter.default is parameter.empty else parameter.default
        for option, parameter in signature.items()
        if option not in ("d_model", "seq_len")
    }
    assert models.options(architecture) == expected


def test_the_schema_knows_every_option_and_no_other():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    known = schema["$defs"]["options"]
    taken = {option for name in models.architectures() for option in models.options(name)}
    assert set(known) == taken | set(models.FRAME_OPTIONS)
    assert known["attention"]["enum"] == list(transformer.ATTENTION)
    assert known["init"]["enum"] == list(lstm.INITS)
    assert {*gru.INITS, *mingru.INITS} <= set(lstm.INITS)
    assert set(known["positions"]["enum"]) == {*_blocks.ADDED, "rotary"}


def test_the_registry_imports_no_architecture():
    code = (
        "import sys; from workflow.seqbench import models; models.architectures();"
        "[models.options(name) for name in models.architectures()];"
        "print([m for m in sys.modules if m.startswith(models.__name__ + '.') or m == 'torch'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    assert not [name for name in models.architectures() if name.startswith("_")]


# How an LSTM starts.


def effective_biases(model):
    """Input, forget, cell and output bias of each layer, as the gates see them."""
    for layer in range(model.lstm.num_layers):
        sides = (getattr(model.lstm, f"bias_{side}_l{layer}") for side in ("ih", "hh"))
        yield sum(sides).detach().chunk(4)


@pytest.mark.parametrize("value", [0.0, 1.0, 2.5, 6.0])
def test_forget_bias_is_the_effective_bias_of_every_layer(value):
    model = build("lstm", layers=2, init="forget_bias", forget_bias=value)
    plain = build("lstm", layers=2)
    pairs = zip(effective_biases(model), effective_biases(plain), strict=True)
    for (i, f, g, o), (i0, f0, g0, o0) in pairs:
        assert torch.equal(f, torch.full((D,), value)) and not torch.equal(f, f0)
        assert torch.equal(i, i0) and torch.equal(g, g0) and torch.equal(o, o0)


def test_forget_bias_opens_the_gate_that_keeps_the_cell():
    """With a large bias the cell of the first token survives: the slice is the forget gate's."""
    x = torch.zeros(1, N, D)
    x[:, 0] = 1
    kept = {}
    for value in (-20.0, 20.0):
        with torch.no_grad():
            model = build("lstm", init="forget_bias", forget_bias=value)
            for name, parameter in model.lstm.named_parameters():
                if "bias" in name:
                    parameter[2 * D : 3 * D] = 0  # no new content without input
                if "weight_hh" in name:
                    parameter.zero_()
            kept[value] = model.lstm(x)[1][1].abs().sum()
    assert kept[-20.0] < 1e-6 < 0.1 < kept[20.0]


@pytest.mark.parametrize("seq_len", [1, 2, 3, 100])
def test_chrono_biases(seq_len):
    model = build("lstm", seq_len, layers=2, init="chrono")
    plain = build("lstm", layers=2)
    pairs = zip(effective_biases(model), effective_biases(plain), strict=True)
    for (i, f, g, o), (i0, _, g0, o0) in pairs:
        assert torch.equal(i, -f) and not torch.equal(i, i0)
        assert torch.equal(g, g0) and torch.equal(o, o0)
        assert f.min() >= 0 and f.max() <= math.log(max(seq_len - 1, 1)) + 1e-6
        assert seq_len < 3 or f.std() > 0.1
    model(sequence(seq_len=seq_len)).sum().backward()


def test_chrono_memories_are_uniform_up_to_the_sequence_length():
    """exp(b_f) ~ U[1, T - 1] (Kolmogorov-Smirnov distance, far beyond its 0.1 % quantile)."""
    torch.manual_seed(0)
    big = nn.LSTM(4, 2000)
    lstm.initialise(big, "chrono", 1.0, 1001)
    memory = (big.bias_ih_l0 + big.bias_hh_l0)[2000:4000].detach().exp().sort().values
    uniform = (memory - 1) / 999
    assert (uniform - torch.arange(2000) / 2000).abs().max() < 0.045


def test_hybrid_passes_init_on():
    biases = [
        next(effective_biases(m))[1]
        for m in (build("hybrid", init="chrono").recurrent, build("lstm", init="chrono"))
    ]
    assert torch.equal(*biases)


# How the others start, and what all of them keep.


def state_kept(model, seq_len):
    """Share of each unit's state that is left after seq_len - 1 steps whose input is zero.

    All weights are zeroed, so that gates are at their biases and candidates at zero.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "weight" in name:
                parameter.zero_()
        candidate = slice(2 * D, 3 * D) if hasattr(model, "gru") else slice(D, 2 * D)
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter[candidate] = 0
        ones = [torch.ones(1, 1, D)]
        return model.interrupted(torch.zeros(1, seq_len, D), 1, lambda _: ones)[0, -1]


@pytest.mark.parametrize("architecture", ["gru", "mingru"])
def test_chrono_opens_the_gate_that_keeps_the_state(architecture):
    """Units forget by 1/e over 1 + exp(b) ~ U[2, T] steps, whichever way round the gate is."""
    model = build(architecture, 100, init="chrono")
    gate = model.keep_gate()
    memory = 1 / (1 - gate)
    assert memory.min() >= 2 - 1e-4 and memory.max() <= 100 + 1e-2 and memory.std() > 10
    assert_same(state_kept(model, 50), gate**49)
    assert build(architecture, 100).keep_gate().mean() < 0.6


@pytest.mark.parametrize("architecture", ["lstm", "gru", "mingru"])
def test_chrono_changes_the_gates_that_keep_and_nothing_else(architecture):
    """Other gates of the same bias vectors, all weights and every layer but its gates are shared."""
    plain = build(architecture, layers=2).state_dict()
    chrono = build(architecture, layers=2, init="chrono").state_dict()
    gates = {"lstm": slice(2 * D), "gru": slice(D, 2 * D), "mingru": slice(D)}[architecture]
    biases = [name for name in plain if "bias" in name]
    for name in plain:
        differs = plain[name] != chrono[name]
        if name in biases:
            assert differs[gates].all()
            differs[gates] = False
        assert not differs.any()
    carriers = [chrono[name][gates] for name in biases if "hh" not in name]
    assert not torch.equal(*carriers)  # each layer has a draw of its own


def test_chrono_leaves_what_is_built_after_it_alone():
    plain, chrono = build("hybrid"), build("hybrid", init="chrono")
    assert not torch.equal(plain.recurrent.keep_gate(), chrono.recurrent.keep_gate())
    states = (model.retrieval.state_dict() for model in (plain, chrono))
    assert all(torch.equal(*pair) for pair in zip(*(s.values() for s in states), strict=True))


def test_keep_gate_of_an_lstm_is_the_effective_forget_gate():
    model = build("lstm", init="forget_bias", forget_bias=2.0)
    assert_same(model.keep_gate(), torch.full((D,), 1 / (1 + math.exp(-2))))


@pytest.mark.parametrize("architecture", ["lstm", "gru", "mingru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_an_interruption_that_changes_nothing_gives_forward(architecture, layers):
    model, x = build(architecture, layers=layers).double(), sequence(dtype=torch.float64)
    for at in (1, N // 2, N - 1):
        seen = []
        with torch.no_grad():
            y = model.interrupted(x, at, lambda *state, seen=seen: seen.extend(state) or state)
        assert_same(y, model(x), atol=1e-12)
        assert [part.shape for part in seen] == [(layers, 2, D)] * len(model.STATE)


# A gradient that is cut while the forward pass stays as it was.


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("seq_len", [2, 25, N])
def test_detaching_leaves_the_values_bit_for_bit(training, seq_len):
    plain, cut = (build("lstm", layers=2, detach_at=at).train(training) for at in (0.0, 0.5))
    for with_gradient in (True, False):
        with torch.set_grad_enabled(with_gradient):
            for batch in (1, 3, 32):
                x = sequence(batch, seq_len)
                assert torch.equal(plain(x), cut(x))


def test_detaching_cuts_the_gradient_at_the_state_alone():
    x = sequence().requires_grad_()

    def gradient(at, position):
        model = build("lstm", layers=2, init="chrono", detach_at=at)
        (found,) = torch.autograd.grad(model(x)[:, position].square().sum(), x)
        return found

    plain, cut = gradient(0.0, -1), gradient(0.5, -1)
    assert cut[:, : N // 2].abs().max() == 0 < plain[:, : N // 2].abs().min()
    assert_same(plain[:, N // 2 :], cut[:, N // 2 :])
    assert_same(gradient(0.0, N // 2 - 1), gradient(0.5, N // 2 - 1))  # before the cut
    assert torch.equal(gradient(0.0, -1), gradient(0.001, -1))  # less than a token: no cut


def test_gradients_of_a_detached_model_are_those_of_its_pieces():
    """Parameters learn from what comes after the cut, with the state given as a constant."""
    x, grads = sequence(), []
    for model in (build("lstm", detach_at=0.5), build("lstm")):
        if model.detach_at:
            y = model(x)
        else:
            _, state = model.lstm(x[:, : N // 2])
            y = model.lstm(x[:, N // 2 :], tuple(part.detach() for part in state))[0]
        y[:, -1].square().sum().backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    for one, other in zip(*grads, strict=True):
        assert_same(one, other)


# Two forms of the same thing.


def test_mingru_parallel_is_sequential():
    for seq_len in (1, 2, 3, 7, 8, 63, 64, 65):
        model = build("mingru", seq_len, layers=2).double()
        x = 5 * sequence(seq_len=seq_len, dtype=torch.float64)
        assert_same(model(x), model.sequential(x)[0], atol=1e-13)


def test_mingru_is_its_equations():
    model, x = build("mingru").double(), sequence(dtype=torch.float64)
    w, b = model.layers[0].weight, model.layers[0].bias
    h = torch.zeros(2, D, dtype=torch.float64)
    for x_t in x.unbind(1):
        z = torch.sigmoid(x_t @ w[:D].T + b[:D])
        h = (1 - z) * h + z * (x_t @ w[D:].T + b[D:])
    assert_same(model(x)[:, -1], h, atol=1e-13)


def test_scan_and_its_gradient_stay_sound_where_products_underflow():
    """Over 5,000 positions the products of a reach 0 in float32; a quotient of them would be nan."""
    g = torch.Generator().manual_seed(0)
    a = (0.5 * torch.rand(1, 5000, 3, generator=g)).requires_grad_()
    b = torch.randn(1, 5000, 3, generator=g)
    h, expected = mingru.scan(a, b), []
    for t in range(5000):
        expected.append(b[:, t] + (a[:, t] * expected[-1] if t else 0))
    expected = torch.stack(expected, dim=1)
    assert_same(h, expected, atol=1e-6)
    weights = torch.randn(1, 5000, 3, generator=g)
    gradients = [torch.autograd.grad((weights * y).sum(), a)[0] for y in (h, expected)]
    assert_same(*gradients, atol=1e-5)


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned_normal"])
def test_linear_attention_parallel_is_recurrent(positions):
    for seq_len in (1, 63, 64, 65, 130):
        model = build("linear_attention", seq_len, layers=2, positions=positions).double().eval()
        x = sequence(seq_len=seq_len, dtype=torch.float64)
        with torch.no_grad():
            assert_same(model(x), decode(model, x)[0], atol=1e-12)


def test_linear_attention_is_its_definition():
    """Against the full matrix of weights f(q) f(k), masked and normalised row by row."""
    layer = build("linear_attention").double().eval().layers[0]
    x = sequence(dtype=torch.float64)
    with torch.no_grad():
        q, k, v = layer.project(x)
        q, k = (torch.where(z > 0, z + 1, z.exp()) for z in (q, k))
        weights = torch.einsum("bhtd,bhsd->bhts", q, k).tril()
        weights = weights / weights.sum(-1, keepdim=True)
        assert_same(layer(x), layer.finish(x, weights @ v), atol=1e-5)  # but for EPSILON


# Attention.


@pytest.mark.parametrize("seq_len", [1, N - 1, N])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_implementations_agree(causal, training, seq_len):
    x, outputs, gradients = sequence(seq_len=seq_len), [], []
    for attention in EQUIVALENT:
        model = build("transformer", layers=2, causal=causal, dropout=0, attention=attention)
        noise = torch.Generator().manual_seed(5)
        with torch.no_grad():  # biases start at 0 and norms at 1, where a mix-up would not show
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=noise)
        model.train(training)
        with torch.set_grad_enabled(training):
            outputs.append(model(x))
        if training:
            outputs[-1].square().mean().backward()
            gradients.append(model.layers[0].self_attn.in_proj_weight.grad)
    for other in (1, 2):
        assert_same(outputs[0], outputs[other])
        if training:
            assert_same(gradients[0], gradients[other])


def test_at_the_last_position_one_causal_layer_computes_what_a_bidirectional_one_does():
    """So the read-outs need no causal model with the last position read; with two layers they would."""
    plan = check(shipped())
    entry, settings = (
        plan.model("readout", "transformer_last"),
        plan.settings("readout", "lstm_mean", 25),
    )
    tokens = torch.randint(1, 100, (8, 25), generator=torch.Generator().manual_seed(1))

    def computed(**options):
        """Logits, and the gradient of each parameter, of the classifier as it is trained."""
        model = build_classifier(entry | options, settings, 25, ("a stream",)).train()
        logits = model(tokens)
        torch.nn.functional.cross_entropy(logits, tokens[:, 0]).backward()
        return [logits.detach(), *(parameter.grad for parameter in model.parameters())]

    assert (entry["layers"], entry["readout"], entry.get("causal")) == (1, "last", None)
    both, causal = computed(), computed(causal=True)
    for a, b in zip(both, causal, strict=True):
        assert_same(a, b, atol=1e-6)
    assert sum(bool(gradient.any()) for gradient in both[1:]) == len(both) - 1
    del entry["match_parameters_to"]
    wide = {"layers": 2, "dim_feedforward": 64}
    deep = [computed(**wide, causal=causal)[0] for causal in (False, True)]
    assert (deep[0] - deep[1]).abs().max() > 1e-2


def test_attention_implementations_have_the_same_parameters():
    states = [build("transformer", attention=a, causal=True).state_dict() for a in ATTENTION]
    for other in states[1:]:
        assert list(other) == list(states[0])
        assert all(torch.equal(other[name], states[0][name]) for name in other)


@pytest.mark.parametrize("attention", ["math", "sdpa"])
def test_dropout_reaches_the_attention_weights(attention):
    layer = build("transformer", attention=attention, dropout=0.5).layers[0].train()
    for module in layer.modules():  # leave the attention's own dropout alone
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    assert not torch.equal(layer(sequence()), layer(sequence()))


# Attention that is frozen, watched and interfered with.


@pytest.mark.parametrize("causal", [True, False])
def test_uniform_attention_is_the_mean_before_and_after_training(causal):
    model = build("transformer", attention="uniform", causal=causal, dropout=0, layers=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    before = model.layers[0].self_attn.in_proj_weight.detach().clone()
    x = sequence()
    for trained in (False, True):
        layer = model.layers[0]
        with torch.no_grad():
            _, _, v = layer.project(x)
            mean = v.mean(dim=2, keepdim=True).expand_as(v)
            if causal:
                mean = v.cumsum(dim=2) / torch.arange(1, N + 1).view(-1, 1)
            assert_same(layer(x), layer.finish(x, mean))
            assert_same(model.first_token_attention(x), torch.full((N,), 1 / N), atol=1e-6)
        if not trained:
            model(x)[:, -1].square().sum().backward()
            optimizer.step()
    changed = (before != model.layers[0].self_attn.in_proj_weight).view(3, D, D).any(-1).all(-1)
    assert changed.tolist() == [False, False, True]  # queries and keys stay, values learn


def test_uniform_attention_is_not_what_the_others_compute():
    outputs = [build("transformer", attention=a).eval()(sequence()) for a in ("math", "uniform")]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3


@pytest.mark.parametrize("attention", EQUIVALENT)
@pytest.mark.parametrize("causal", [True, False])
def test_an_intervention_that_changes_nothing_gives_forward(attention, causal):
    model = build("transformer", layers=2, causal=causal, attention=attention).eval()
    shapes = []

    def change(weights, values):
        shapes.append((weights.shape, values.shape))
        return weights, values

    with torch.no_grad():
        assert_same(model.intervened(sequence(), change), model(sequence()))
    assert shapes == [((2, 4, N, N), (2, 4, N, D // 4))] * 2


# What each position may see.

CAUSAL_MODELS = [
    *((name, {}) for name in models.architectures() if name != "transformer"),
    *(("transformer", {"causal": True, "attention": a}) for a in ATTENTION),
    *(
        ("transformer", {"causal": True, "attention": a, "positions": "rotary"})
        for a in ("math", "sdpa")
    ),
]


@pytest.mark.parametrize(("name", "options"), CAUSAL_MODELS)
@pytest.mark.parametrize("training", [True, False])
def test_causal_models_do_not_see_the_future(name, options, training):
    options = options | ({"dropout": 0} if "dropout" in models.options(name) else {})
    model, x, t = build(name, layers=2, **options).train(training), sequence(), 30
    changed = x.clone()
    changed[:, t:] = -changed[:, t:]
    with torch.set_grad_enabled(training):
        before, after = model(x), model(changed)
    assert_same(before[:, :t], after[:, :t])
    assert (before[:, t:] - after[:, t:]).abs().amax(dim=(0, 2)).min() > 1e-4


def test_a_transformer_that_is_not_causal_sees_the_future_and_has_no_step():
    model, x = build("transformer").eval(), sequence()
    changed = x.clone()
    changed[:, -1] += 1
    with torch.no_grad():
        assert (model(x)[:, 0] - model(changed)[:, 0]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="causal: true"):
        model.step(x[:, 0])


@pytest.mark.parametrize(
    ("attention", "positions"),
    [*itertools.product(ATTENTION, _blocks.ADDED), ("math", "rotary"), ("sdpa", "rotary")],
)
def test_transformer_steps_with_every_option(attention, positions):
    options = {"causal": True, "attention": attention, "positions": positions}
    model, x = build("transformer", layers=2, **options).eval(), sequence()
    with torch.inference_mode():
        assert_same(decode(model, x)[0], model(x))


def test_the_last_step_may_be_repeated(architecture):
    model = build(architecture, **CAUSAL.get(architecture, {})).eval()
    x = sequence()
    _, state = decode(model, x[:, :-1])
    assert torch.equal(model.step(x[:, -1], state)[0], model.step(x[:, -1], state)[0])


def test_a_full_cache_and_a_missing_position_are_refused():
    for name in ("transformer", "hybrid"):
        model = build(name, 3, **CAUSAL.get(name, {})).eval()
        with pytest.raises(ValueError, match="seq_len = 3"):
            decode(model, sequence(seq_len=4))
    model = build("linear_attention", 3, positions="sinusoidal").eval()
    with pytest.raises(ValueError, match="3 positions; position 4"):
        decode(model, sequence(seq_len=4))
    with pytest.raises(ValueError, match="3 positions; position 4"):
        model(sequence(seq_len=4))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("transformer", {"positions": "rotary"}, "attention: math or sdpa"),
        ("transformer", {"positions": "rotary", "attention": "sdpa", "heads": 16}, "even width"),
        ("transformer", {"positions": "sinusoid"}, "allowed here: none, learned_zero"),
        ("transformer", {"attention": "flash"}, "allowed: encoder, math, sdpa, uniform"),
        ("linear_attention", {"positions": "rotary"}, "allowed here: none, learned_zero"),
        ("lstm", {"init": "chronos"}, "allowed: default, forget_bias, chrono"),
        ("gru", {"init": "forget_bias"}, "allowed: default, chrono"),
        ("mingru", {"init": "forget_bias"}, "allowed: default, chrono"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(name, options, said):
    with pytest.raises(ValueError, match=said):
        build(name, **options)


# Positions.


def test_rotary_scores_depend_on_the_distance_alone():
    table = _blocks.rotations(40, 8).double()
    q, k = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    scores = _blocks.rotate(q.expand(40, 8), table) @ _blocks.rotate(k.expand(40, 8), table).T
    for distance in range(-39, 40):
        diagonal = scores.diagonal(distance)
        assert_same(diagonal, diagonal[0].expand_as(diagonal), atol=1e-5)
    assert (scores[0] - scores[0, 0]).abs()[1:].min() > 1e-4  # and they do depend on it


def test_rotary_keeps_lengths_and_turns_by_the_position():
    turned = _blocks.rotate(torch.eye(2).unsqueeze(1).expand(2, 10, 2), _blocks.rotations(10, 2))
    angle = torch.arange(10.0)  # the first pair turns by one radian a position
    assert_same(turned[0], torch.stack((angle.cos(), angle.sin()), dim=1))
    assert_same(turned[1], torch.stack((-angle.sin(), angle.cos()), dim=1))


@pytest.mark.parametrize("attention", ["math", "sdpa"])
def test_a_rotary_transformer_is_blind_to_a_shift(attention):
    """Two tokens at positions 0 and 1 see each other as they do at positions 50 and 51."""
    model = build("transformer", positions="rotary", attention=attention).eval()
    x, layer = sequence(seq_len=2), model.layers[0]
    with torch.no_grad():
        here = layer(x, rotation=model.rotation[:, :2])
        there = layer(x, rotation=model.rotation[:, 50:52])
        swapped = layer(x.flip(1), rotation=model.rotation[:, :2]).flip(1)
    assert_same(here, there)
    assert (here - swapped).abs().max() > 1e-4


def test_feed_forward_mixes_no_positions():
    model, x = build("feed_forward", layers=2, positions="sinusoidal").eval(), sequence()
    changed = x.clone()
    changed[:, 30] += 1
    with torch.no_grad():
        moved = (model(x) != model(changed)).any(dim=-1).any(dim=0)
    assert moved.nonzero().flatten().tolist() == [30]


@pytest.mark.parametrize("positions", _blocks.ADDED)
def test_feed_forward_steps_know_their_position(positions):
    model, x = build("feed_forward", positions=positions).eval(), sequence()
    assert_same(decode(model, x)[0], model(x))


def test_positions_break_permutation_invariance():
    """Without positions a bidirectional Transformer is equivariant; with any kind it is not."""
    x, order = sequence(), torch.randperm(N, generator=torch.Generator().manual_seed(4))
    for positions, blind in [
        ("none", True),
        ("learned_zero", True),
        ("learned_normal", False),
        ("sinusoidal", False),
        ("rotary", False),
    ]:
        model = build("transformer", positions=positions, attention="sdpa").eval()
        with torch.no_grad():
            gap = (model(x)[:, order] - model(x[:, order])).abs().max()
        assert (gap < 1e-5) == blind, positions


@pytest.mark.parametrize("name", ["transformer", "linear_attention", "feed_forward"])
def test_learned_positions_are_counted(name):
    learned = models.parameters(build(name, positions="learned_normal"))
    assert learned == models.parameters(build(name)) + N * D


# Where a Transformer looks.


@pytest.mark.parametrize("attention", EQUIVALENT)
@pytest.mark.parametrize("causal", [True, False])
def test_first_token_attention_is_what_multihead_attention_reports(attention, causal):
    model = build("transformer", layers=2, causal=causal, attention=attention).eval()
    x = sequence()
    with torch.no_grad():
        below = model.layers[0](x, *model.tables(N))
        mask = nn.Transformer.generate_square_subsequent_mask(N) if causal else None
        weights = model.layers[1].self_attn(below, below, below, attn_mask=mask)[1]
    expected = weights[:, -1].mean(0) if causal else weights.mean(dim=(0, 1))
    found = model.first_token_attention(x)
    assert found.shape == (N,) and math.isclose(found.sum(), 1, abs_tol=1e-5)
    assert_same(found, expected, atol=1e-6)


def test_first_token_attention_uses_rotary_positions():
    model = build("transformer", positions="rotary", attention="sdpa", causal=True).eval()
    constant = torch.ones(1, N, D)  # equal tokens: only their distances can tell keys apart
    assert model.first_token_attention(constant).std() > 1e-6
    plain = build("transformer", attention="sdpa", causal=True).eval()
    assert plain.first_token_attention(constant).std() < 1e-8


@pytest.mark.parametrize(("returns", "said"), [("short", r"\(2, 4, 3\)"), ("tuple", "a tuple")])
def test_a_model_that_breaks_the_contract_is_refused_at_its_first_call(returns, said):
    net = models.build({"architecture": "tests.known_truth:Misshapen", "returns": returns}, 3, 5)
    sentence = rf"^tests.known_truth:Misshapen breaks the contract of a model: of \(2, 5, 3\) it makes {said}$"
    with pytest.raises(UserError, match=sentence):
        net(torch.zeros(2, 5, 3))


def test_a_model_that_keeps_the_contract_is_not_looked_at_again():
    net = models.build({"architecture": "tests.known_truth:Oracle"}, 3, 5)
    net(torch.zeros(2, 5, 3))
    assert not net._forward_hooks


def test_a_step_that_breaks_the_contract_is_refused():
    model = {"architecture": "tests.known_truth:Misshapen", "returns": "step"}
    settings = {"batch_size": 1, "d_model": 3, "mode": "eval"}
    with pytest.raises(UserError, match=r"its step makes \(1, 1, 3\) of \(1, 3\)$"):
        decoding.prepare(model, settings, 5, "cpu")
