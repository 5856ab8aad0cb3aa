"""The registry of architectures: this folder.

A file `NAME.py` here is the architecture `NAME`, unless it begins with `_`; it defines one class
`Model`, an `nn.Module`:

    Model(d_model, seq_len, **options)   options are the keys of the model's entry in config.yaml;
                                         seq_len is the longest sequence that it will see
    forward(x)                           (batch, seq_len, d_model) -> (batch, seq_len, d_model)
    parameter_count()                    trainable parameters, in closed form
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

A class elsewhere serves as well, named in the config by its import path, `package.module:Class`.
This file imports no architecture before it is asked for, so that the cells of one model do not
depend on the code of another.
"""

import ast
import importlib
import importlib.util
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
# Options of what stands around a model: the read-out of a recall model, the cache of a decoder.
FRAME_OPTIONS = ("readout", "cache")


def architectures() -> list[str]:
    """Names of the architectures in this folder."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def locate(architecture: str) -> tuple[str, str]:
    """Module and class name of an architecture: ("workflow.seqbench.models.lstm", "Model")."""
    module, _, name = architecture.partition(":")
    return (module, name) if name else (f"{__name__}.{architecture}", "Model")


@cache
def options(architecture: str) -> dict[str, bool] | None:
    """Options that the architecture's constructor takes, each with whether it has a default.

    Read from the source without importing it (and torch with it). None: it takes any option.
    Raises LookupError where there is no such architecture.
    """
    module, name = locate(architecture)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            break
    else:
        raise LookupError(f"module {module} has no class {name}")
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = item.args
            if arguments.kwarg:
                return None
            names = [argument.arg for argument in arguments.args]
            required = len(names) - len(arguments.defaults)
            found = {n: i >= required for i, n in enumerate(names)}
            found |= {
                a.arg: d is not None
                for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            }
            return {n: d for n, d in found.items() if n not in ("self", "d_model", "seq_len")}
    return None


def build(model: dict, d_model: int, seq_len: int):
    """The core of a model: `model` holds its architecture and options, as in the config.

    The module maps (batch, seq_len, d_model) to the same shape.
    """
    chosen = {
        key: value for key, value in model.items() if key not in ("architecture", *FRAME_OPTIONS)
    }
    module, name = locate(model["architecture"])
    return getattr(importlib.import_module(module), name)(d_model, seq_len, **chosen)
