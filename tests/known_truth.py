"""Architectures whose result is known beforehand; a config names them `tests.known_truth:Oracle`.

They have just enough of the contract to be trained and timed.
"""

import math

import torch
from torch import nn


class Known(nn.Module):
    """A core without parameters."""

    def __init__(self, d_model, seq_len):
        super().__init__()
        self.d_model = d_model

    def flops(self, seq_len):
        return 0


class Oracle(Known):
    """The first token's embedding at every position: solves the task as soon as the head can read."""

    def forward(self, x):
        return x[:, :1].expand_as(x)  # (batch, seq_len, d_model)


class Constant(Known):
    """Nothing of the input: cannot do better than chance."""

    def forward(self, x):
        return x * 0


class BagOfTokens(Known):
    """The mean of the embeddings: knows which tokens there were, not in which order."""

    def forward(self, x):
        return x.mean(dim=1, keepdim=True).expand_as(x)


class Forgetful(Oracle):
    """An oracle at every position but the last."""

    def forward(self, x):
        y = super().forward(x).clone()
        y[:, -1] = 0
        return y


class Window(Known):
    """The first of the last `width` tokens: an oracle on sequences up to that length."""

    def __init__(self, d_model, seq_len, width=20):
        super().__init__(d_model, seq_len)
        self.width = width

    def forward(self, x):
        first = max(0, x.shape[1] - self.width)
        return x[:, first : first + 1].expand_as(x)


class Diverging(Oracle):
    """An oracle whose output is NaN from its `good + 1`-th training step on."""

    def __init__(self, d_model, seq_len, good=7):
        super().__init__(d_model, seq_len)
        self.left = good

    def forward(self, x):
        if self.training:
            self.left -= 1
        return super().forward(x) * (1.0 if self.left >= 0 else math.nan)


class Slow(Oracle):
    """An oracle that takes a tenth of a second, or another time."""

    def __init__(self, d_model, seq_len, seconds=0.1):
        super().__init__(d_model, seq_len)
        self.seconds = seconds

    def forward(self, x):
        import time

        time.sleep(self.seconds)
        return super().forward(x)


class Hungry(Known):
    """Needs 400 bytes for each pair of positions, which it fills, or only at one length."""

    def __init__(self, d_model, seq_len, only_at=None):
        super().__init__(d_model, seq_len)
        self.only_at = only_at

    def forward(self, x):
        n = x.shape[1] if self.only_at in (None, x.shape[1]) else 1
        return x + torch.ones(100, n, n).sum() * 0


class Misshapen(Oracle):
    """Breaks the contract of a model: another shape, a tuple as PyTorch's own LSTM, a wrong step."""

    def __init__(self, d_model, seq_len, returns="short"):
        super().__init__(d_model, seq_len)
        self.returns = returns

    def forward(self, x):
        return {"short": x[:, 1:], "tuple": (x, None), "step": x * 1.0}[self.returns]

    def step(self, x_t, state=None):
        return x_t.unsqueeze(1), state
