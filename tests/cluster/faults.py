"""Architectures that give a cluster trouble; a config names them `tests.cluster.faults:Late`."""

import time
from pathlib import Path

import torch

from tests.known_truth import Oracle


class Late(Oracle):
    """Makes the file `began` and hangs for so many seconds; where the file is there already, it does not."""

    def __init__(self, d_model, seq_len, began, seconds=600):
        super().__init__(d_model, seq_len)
        self.began, self.seconds = Path(began), seconds

    def forward(self, x):
        if not self.began.exists():
            self.began.touch()
            time.sleep(self.seconds)
        return super().forward(x)


class Large(Oracle):
    """Fills so many megabytes at its first call, and keeps them.

    Not at each call: where malloc gives nothing back (as in a cell that trains), small blocks that
    settle in a freed one make it too small for the next, and the process grows by chance.
    """

    def __init__(self, d_model, seq_len, megabytes):
        super().__init__(d_model, seq_len)
        self.megabytes, self.filled = megabytes, None

    def forward(self, x):
        if self.filled is None:
            self.filled = torch.ones(self.megabytes, 250_000)
        return super().forward(x)


class Broken(Oracle):
    """Fails at each call."""

    def forward(self, x):
        raise RuntimeError("this model is broken")
