"""Feed-forward: a Transformer without attention, in which no position sees another.

With a mean read-out it is a sum over tokens and their positions (Zaheer et al. 2017, section 2.2),
which shows how much of a result the read-out alone can do. With the last position as read-out it
cannot know any token but the last.
"""

import torch
from torch import nn

from workflow.seqbench.models._blocks import Positions


class Model(nn.Module):
    """Positions, then post-norm layers of norm(x + W2 relu(W1 x)), each position on its own."""

    def __init__(
        self, d_model, seq_len, layers=1, dim_feedforward=2048, dropout=0.1, positions="none"
    ):
        super().__init__()
        self.d_model, self.dim_feedforward = d_model, dim_feedforward
        self.layers = nn.ModuleList(Layer(d_model, dim_feedforward, dropout) for _ in range(layers))
        self.positions = Positions(positions, seq_len, d_model)

    def forward(self, x, start=0):
        """Positions start, start + 1, ... of a sequence, x of shape (batch, length, d_model)."""
        x = self.positions(x, start)
        for layer in self.layers:
            x = layer(x)
        return x  # (batch, length, d_model)

    @torch.no_grad()
    def step(self, x_t, state=None):
        t = state or 0  # the state is the position
        return self.forward(x_t.unsqueeze(1), start=t).squeeze(1), t + 1

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """Nothing of the context is kept."""
        return 0

    def flops(self, seq_len):
        """4NDF a layer: the two matrix products."""
        return len(self.layers) * 4 * seq_len * self.d_model * self.dim_feedforward


class Layer(nn.Module):
    """The feed-forward half of PyTorch's encoder layer, its two dropouts and its norm."""

    def __init__(self, d_model, dim_feedforward, dropout):
        super().__init__()
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        y = self.linear2(self.dropout(self.linear1(x).relu()))
        return self.norm(x + self.dropout(y))
