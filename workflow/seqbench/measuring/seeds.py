"""Independent random streams, named by what they are for."""

import hashlib

import torch


def derive(*parts: object) -> int:
    """A 63-bit seed that depends on every part, the same on every machine and Python version."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator for the stream named by `parts`."""
    return torch.Generator().manual_seed(derive(*parts))
