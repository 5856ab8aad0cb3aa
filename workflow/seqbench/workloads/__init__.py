"""The registry of calls to time: this folder. A file `NAME.py` here is the workload `NAME`.

    prepare(model, settings, seq_len, device) -> Workload

It builds the model in the module mode that settings["mode"] names, makes the inputs, and returns
what the harness then calls and measures.
"""

from pathlib import Path
from typing import Any, NamedTuple


class Workload(NamedTuple):
    """A call to time: `call()` returns its output; tokens and flops are those of one call."""

    module: Any
    call: Any
    tokens: int
    flops: int


def workloads() -> list[str]:
    """Names of the workloads in this folder."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem != "__init__")
