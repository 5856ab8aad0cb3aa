"""The registry of recall tasks: this folder. A file `NAME.py` here is the task `NAME`.

sample(generator, batch_size, seq_len, vocabulary)   tokens and targets
chance_loss(seq_len, vocabulary)                     floor of a model that knows nothing
bag_of_tokens_loss(seq_len, vocabulary)              floor of a model that only counts tokens
"""

import importlib
from pathlib import Path


def tasks() -> list[str]:
    """Names of the tasks in this folder."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem != "__init__")


def get(name: str):
    """The task's module."""
    return importlib.import_module(f"{__name__}.{name}")
