"""What several architectures share: positions, and PyTorch's encoder layer with its attention open."""

import math

import torch
import torch.nn.functional as F
from torch import nn

ADDED = ("none", "learned_zero", "learned_normal", "sinusoidal")


class Positions(nn.Module):
    """Adds a table of shape (seq_len, d_model) to a sequence.

    kind: none; learned_zero or learned_normal (starting at zero or N(0, 0.02)); sinusoidal
    (Vaswani et al. 2017, section 3.5).
    """

    def __init__(self, kind, seq_len, d_model):
        super().__init__()
        if kind not in ADDED:
            raise ValueError(f"positions is {kind!r}; allowed here: {', '.join(ADDED)}")
        if kind.startswith("learned"):
            self.table = nn.Parameter(torch.zeros(seq_len, d_model))
            if kind == "learned_normal":
                nn.init.normal_(self.table, std=0.02)
        else:
            table = sinusoids(seq_len, d_model) if kind == "sinusoidal" else None
            self.register_buffer("table", table)

    def forward(self, x, start=0):
        """Positions start, start + 1, ... for x of shape (batch, length, d_model)."""
        if self.table is None:
            return x
        end = start + x.shape[1]
        if end > len(self.table):
            raise ValueError(
                f"the model has {len(self.table)} positions; position {end} was asked for"
            )
        return x + self.table[start:end]


def sinusoids(seq_len, d_model):
    """Sines and cosines of geometrically spaced wavelengths, shape (seq_len, d_model)."""
    position = torch.arange(seq_len).unsqueeze(1)  # (seq_len, 1)
    rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    table = torch.zeros(seq_len, d_model)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)[:, : d_model // 2]
    return table


def rotations(seq_len, width):
    """Cosine and sine of each position's angles, shape (2, seq_len, width / 2).

    Su et al. 2021, section 3.2.2: one angle for each pair of features, growing with the position.
    """
    if width % 2:
        raise ValueError(f"rotary positions need heads of even width; d_model / heads is {width}")
    rate = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(seq_len).unsqueeze(1) * rate  # float64, as long sequences need
    return torch.stack((angle.cos(), angle.sin())).to(torch.get_default_dtype())


def rotate(x, rotation):
    """Turn each pair of features of x (..., seq_len, width) by its position's angle."""
    (cos, sin), (a, b) = rotation, (x[..., 0::2], x[..., 1::2])
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


class Block(nn.TransformerEncoderLayer):
    """PyTorch's post-norm layer, parameters and initialisation included, in two halves.

    What stands between the halves, the attention, is the subclass's own.
    """

    def __init__(self, d_model, heads, dim_feedforward, dropout):
        super().__init__(d_model, heads, dim_feedforward, dropout, batch_first=True)

    def project(self, x):
        """Queries, keys and values of x (batch, seq_len, d_model)."""
        qkv = F.linear(x, self.self_attn.in_proj_weight, self.self_attn.in_proj_bias)
        qkv = qkv.unflatten(-1, (3, self.self_attn.num_heads, -1))
        return qkv.permute(2, 0, 3, 1, 4)  # three of (batch, heads, seq_len, head_width)

    def finish(self, x, y):
        """The rest of the layer, for y (batch, heads, seq_len, head_width) that attention read."""
        y = self.self_attn.out_proj(y.transpose(1, 2).flatten(2))  # (batch, seq_len, d_model)
        x = self.norm1(x + self.dropout1(y))
        y = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return self.norm2(x + self.dropout2(y))


def block_flops(seq_len, d_model, dim_feedforward):
    """2N(4D² + 2DF): projections and feed-forward; what the attention adds is left out."""
    return 2 * seq_len * (4 * d_model * d_model + 2 * d_model * dim_feedforward)
