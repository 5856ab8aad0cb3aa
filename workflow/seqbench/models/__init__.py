"""The registry of architectures: this folder.

A file `NAME.py` here is the architecture `NAME`, unless it begins with `_`; it defines one class
`Model`, an `nn.Module`:

    Model(d_model, seq_len, **options)   options are the keys of the model's entry in config.yaml;
                                         seq_len is the longest sequence that it will see
    forward(x)                           (batch, seq_len, d_model) -> (batch, seq_len, d_model)
    flops(seq_len)                       floating point operations of one forward pass of one sequence
    step(x_t, state=None)                one token of decoding: (batch, d_model) and what the step
                                         before returned -> ((batch, d_model), state); None starts a
                                         sequence. No gradient flows, and a cache is written in
                                         place: the last step may be repeated, no earlier one
    step_flops(context)                  floating point operations of one step after `context` tokens
    state_bytes(context)                 bytes of float32 state that decoding one sequence carries
                                         after `context` tokens

In eval mode, steps over a sequence give what forward gives; a model that reads ahead has no step and
raises a ValueError that says so. Operations are those of matrix products, a multiply-add being two.

What a model may have besides, for the probes of experiments that train; without it a column is empty:

    keep_gate()                          share of its state that each unit keeps at a step, at the start
    STATE, interrupted(x, at, change)    names of the parts of a recurrent state, and forward with
                                         the state after `at` positions replaced by change(*parts)
    first_token_attention(x, last)       attention on each position, of the last one or the mean of
                                         all: (seq_len,)
    intervened(x, change)                forward with weights, values = change(weights, values)

Weights are drawn from torch's global stream; what an option changes is drawn from a stream of its
own, or last, so that models that differ in it share the rest (`_gates.chrono`).

A class elsewhere serves as well, named in the config by its import path, `package.module:Class`.
This file imports no architecture before it is asked for, so that the cells of one model do not
depend on the code of another.
"""

import ast
import importlib
import sys
from functools import cache
from pathlib import Path

from workflow.seqbench.log import UserError

HERE = Path(__file__).parent
# Options of what stands around a model: the read-out of a classifier, the cache of a decoder, the
# model whose size it is to have.
FRAME_OPTIONS = ("readout", "cache", "match_parameters_to")
TOLERANCE = 0.02  # a matched model has so much fewer parameters at most


def architectures() -> list[str]:
    """Names of the architectures in this folder."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def locate(architecture: str) -> tuple[str, str]:
    """Module and class name of an architecture: ("workflow.seqbench.models.lstm", "Model")."""
    module, _, name = architecture.partition(":")
    return (module, name) if name else (f"{__name__}.{architecture}", "Model")


REQUIRED = object()  # stands for the default of an option that has none


@cache
def options(architecture: str) -> dict | None:
    """Options that the architecture's constructor takes, each with its default or REQUIRED.

    Read from the source without importing it (and torch with it). None: it takes any option.
    Raises LookupError where there is no such architecture.
    """
    module, name = locate(architecture)
    file = source(module)
    try:
        body = ast.parse(file.read_text()).body
    except (SyntaxError, ValueError) as error:  # ValueError: no text, or a null character
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise LookupError(f"{file}{line} is no Python: {error.args[0]}") from error
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
    if not classes:
        raise LookupError(f"module {module} has no class {name}")
    methods = {node.name: node for node in classes[0].body if isinstance(node, ast.FunctionDef)}
    if "__init__" not in methods or methods["__init__"].args.kwarg:
        return None
    signature = methods["__init__"].args
    names = [argument.arg for argument in (*signature.args, *signature.kwonlyargs)]
    positional = [None] * (len(signature.args) - len(signature.defaults)) + signature.defaults
    defaults = [
        REQUIRED if node is None else literal(node)
        for node in (*positional, *signature.kw_defaults)
    ]
    return {
        key: value
        for key, value in zip(names, defaults, strict=True)
        if key not in ("self", "d_model", "seq_len")
    }


def source(module: str) -> Path:
    """The Python file of a module, found without running any code; LookupError where there is none."""
    spec, folders = None, None
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        finders = sys.meta_path if names[depth - 1].isidentifier() else []
        spec = next(filter(None, (finder.find_spec(name, folders) for finder in finders)), None)
        if spec is None or (depth < len(names) and not spec.submodule_search_locations):
            raise LookupError(f"there is no module {module}")
        folders = spec.submodule_search_locations
    if not str(spec.origin).endswith(".py"):
        raise LookupError(f"module {module} is no Python file")
    return Path(spec.origin)


def literal(node):
    """Value of a default as written in the source, or None where it is no plain value."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def build(model: dict, d_model: int, seq_len: int):
    """The core of a model: `model` holds its architecture and options, as in the config.

    The module maps (batch, seq_len, d_model) to the same shape. `match_parameters_to` holds another
    model, and sets dim_feedforward by `matched_width`.
    """
    options = {
        key: value for key, value in model.items() if key not in ("architecture", *FRAME_OPTIONS)
    }
    if "match_parameters_to" in model:
        options["dim_feedforward"] = matched_width(model, d_model, seq_len)
    module, name = locate(model["architecture"])
    net = getattr(importlib.import_module(module), name)(d_model, seq_len, **options)
    return check_shape(net, model["architecture"])


def check_shape(net, name):
    """The net; its first call raises a UserError unless it keeps the shape of its input.

    A hook that is gone after that call, so that no call that is timed is longer for it.
    """

    def first_call(net, inputs, output):
        hook.remove()
        kept, shape = tuple(inputs[0].shape), type(output).__name__
        shape = tuple(output.shape) if hasattr(output, "shape") else f"a {shape}"
        if shape != kept:
            raise UserError(f"{name} breaks the contract of a model: of {kept} it makes {shape}")

    hook = net.register_forward_hook(first_call)
    return net


def matched_width(model: dict, d_model: int, seq_len: int) -> int:
    """The largest dim_feedforward with which `model` has no more parameters than the one it matches.

    Raises UserError where it then has over 2 % fewer, or more whatever the width.
    """

    def count(entry, **options):
        entry = {k: v for k, v in entry.items() if k != "match_parameters_to"} | options
        import torch  # two seconds, which reading the config need not spend

        with torch.device("meta"):  # no memory, and no random numbers of the training
            return parameters(build(entry, d_model, seq_len))

    target = count(model["match_parameters_to"])
    one, two = (count(model, dim_feedforward=width) for width in (1, 2))
    width = 1 + (target - one) // (two - one)
    reached = one + (width - 1) * (two - one)
    if width < 1 or reached < (1 - TOLERANCE) * target:
        raise UserError(
            f"match_parameters_to: no dim_feedforward brings the architecture {model['architecture']}"
            f" within {TOLERANCE:.0%} of {target:,} parameters; it has {one:,} with 1, and {two - one:,} more"
            " with each further one"
        )
    return width


def parameters(module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
