"""Transformer encoder: Vaswani et al. 2017, post-norm, as PyTorch builds it."""

import math

import torch
from torch import nn


class Model(nn.Module):
    """A stack of `nn.TransformerEncoderLayer` with positions added to its input.

    positions: none; learned_zero or learned_normal (a table of shape (seq_len, d_model), starting
    at zero or N(0, 0.02)); sinusoidal (Vaswani et al. 2017, section 3.5).
    causal: each position sees itself and the ones before it (PyTorch then uses an explicit mask).
    In eval mode PyTorch runs each layer on its fused path; in train mode it does not.
    """

    def __init__(
        self,
        d_model,
        seq_len,
        layers=1,
        heads=4,
        dim_feedforward=2048,
        dropout=0.1,
        positions="none",
        causal=False,
    ):
        super().__init__()
        self.d_model, self.dim_feedforward = d_model, dim_feedforward
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(d_model, heads, dim_feedforward, dropout, batch_first=True)
            for _ in range(layers)
        )
        if positions.startswith("learned"):
            table = torch.zeros(seq_len, d_model)
            if positions == "learned_normal":
                nn.init.normal_(table, std=0.02)
            self.positions = nn.Parameter(table)
        elif positions == "sinusoidal":
            self.register_buffer("positions", sinusoids(seq_len, d_model))
        elif positions == "none":
            self.positions = None
        else:
            raise ValueError(f"unknown positions: {positions}")
        mask = nn.Transformer.generate_square_subsequent_mask(seq_len) if causal else None
        self.register_buffer("mask", mask)

    def forward(self, x):
        if self.positions is not None:
            x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, src_mask=self.mask, is_causal=self.mask is not None)
        return x  # (batch, seq_len, d_model)

    def parameter_count(self):
        """Per layer: four projections with biases, the feed-forward pair, two norms."""
        d, f = self.d_model, self.dim_feedforward
        layer = 4 * (d * d + d) + (2 * d * f + f + d) + 4 * d
        table = self.positions.numel() if isinstance(self.positions, nn.Parameter) else 0
        return len(self.layers) * layer + table

    def flops(self, seq_len):
        """2N(4D² + 2DF) + 4N²D a layer: projections, feed-forward, scores and weighted sum."""
        n, d, f = seq_len, self.d_model, self.dim_feedforward
        return len(self.layers) * (2 * n * (4 * d * d + 2 * d * f) + 4 * n * n * d)


def sinusoids(seq_len, d_model):
    """Sines and cosines of geometrically spaced wavelengths, shape (seq_len, d_model)."""
    position = torch.arange(seq_len).unsqueeze(1)  # (seq_len, 1)
    rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    table = torch.zeros(seq_len, d_model)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)[:, : d_model // 2]
    return table
