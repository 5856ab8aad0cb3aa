"""Transformer encoder: Vaswani et al. 2017, post-norm, as PyTorch builds it."""

import torch
import torch.nn.functional as F
from torch import nn

from workflow.seqbench.models._blocks import Block, Positions, block_flops, rotate, rotations

EQUIVALENT = ("encoder", "math", "sdpa")
ATTENTION = (*EQUIVALENT, "uniform")


class Model(nn.Module):
    """A stack of post-norm layers.

    positions: none, learned_zero, learned_normal or sinusoidal (added to the input), or rotary
    (queries and keys turned in every layer: Su et al. 2021).
    causal: each position sees itself and the ones before it.
    attention: three ways to the same numbers, from the same parameters. encoder is
    `nn.TransformerEncoderLayer` itself, which PyTorch runs on its fused path in eval mode (with an
    explicit mask if causal); math writes softmax(QK^T)V out; sdpa calls
    `scaled_dot_product_attention`. uniform is a control, not a fourth way: math with every query
    zero, so that a position weights all that it may see alike, before training and after it.
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
        attention="encoder",
    ):
        super().__init__()
        if attention not in ATTENTION:
            raise ValueError(f"attention is {attention!r}; allowed: {', '.join(ATTENTION)}")
        self.d_model, self.seq_len, self.dim_feedforward = d_model, seq_len, dim_feedforward
        self.causal = causal
        self.layers = nn.ModuleList(
            Layer(d_model, heads, dim_feedforward, dropout, causal, attention)
            for _ in range(layers)
        )
        rotation = None
        if positions == "rotary":
            if attention == "encoder":
                raise ValueError(
                    "positions: rotary turns queries and keys, so it needs attention: math or sdpa"
                )
            rotation, positions = rotations(seq_len, d_model // heads), "none"
        self.register_buffer("rotation", rotation, persistent=False)
        self.positions = Positions(positions, seq_len, d_model)
        masked = causal and attention == "encoder"
        mask = nn.Transformer.generate_square_subsequent_mask(seq_len) if masked else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        x, (mask, rotation) = self.positions(x), self.tables(x.shape[1])
        for layer in self.layers:
            x = layer(x, mask, rotation)
        return x  # (batch, seq_len, d_model)

    def tables(self, end, start=0):
        """Mask and rotation of positions start to end, None where the model has none."""
        mask = None if self.mask is None else self.mask[start:end, :end]
        return mask, None if self.rotation is None else self.rotation[:, start:end]

    @torch.no_grad()
    def step(self, x_t, state=None):
        """With keys and values of seq_len positions allocated at the first step and then written.

        Appending would copy the whole cache at each step, which takes more than ten times as long
        at 4,000 positions. Each step calls `scaled_dot_product_attention`, whatever `attention` is.
        """
        if not self.causal:
            raise ValueError("only a Transformer with causal: true can decode token by token")
        if state is None:
            heads = self.layers[0].self_attn.num_heads
            shape = (2, len(x_t), heads, self.seq_len, self.d_model // heads)
            state = [x_t.new_empty(shape) for _ in self.layers], 0
        caches, t = state
        if t == self.seq_len:
            raise ValueError(f"the cache holds seq_len = {t} positions and is full")
        x, (_, rotation) = self.positions(x_t.unsqueeze(1), start=t), self.tables(t + 1, start=t)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.step(x, cache, t, rotation)  # (batch, 1, d_model)
        return x.squeeze(1), (caches, t + 1)

    @torch.no_grad()
    def first_token_attention(self, x, last=False):
        """How much the last layer attends to each position: shape (seq_len,), sum 1.

        The mean over batch, heads and queries; `last`, or if causal, of the last query alone: only
        that one is read, or may attend to every position.
        """
        x, (mask, rotation) = self.positions(x), self.tables(x.shape[1])
        *below, top = self.layers
        for layer in below:
            x = layer(x, mask, rotation)
        q, k, _ = top.project(x, rotation)
        if self.causal or last:
            q = q[:, :, -1:]
        weights = attention_weights(q, k, causal=False)  # (batch, heads, queries, seq_len)
        return weights.mean(dim=(0, 1, 2))

    @torch.no_grad()
    def intervened(self, x, change):
        """forward of a model in eval mode, each layer's attention and values passed through `change`.

        change(weights, values) gets shapes (batch, heads, seq_len, seq_len) and (batch, heads,
        seq_len, head_width), and returns what takes their place.
        """
        x, (_, rotation) = self.positions(x), self.tables(x.shape[1])
        for layer in self.layers:
            q, k, v = layer.project(x, rotation)
            weights, v = change(attention_weights(q, k, self.causal), v)
            x = layer.finish(x, weights @ v)
        return x  # (batch, seq_len, d_model)

    def step_flops(self, context):
        """8D² + 4DF + 4D(context + 1) a layer: projections, feed-forward, one row of scores."""
        layer = block_flops(1, self.d_model, self.dim_feedforward)
        return len(self.layers) * (layer + 4 * self.d_model * (context + 1))

    def state_bytes(self, context):
        """The KV cache: a key and a value of each position so far, in each layer."""
        return 4 * len(self.layers) * 2 * context * self.d_model

    def flops(self, seq_len):
        """2N(4D² + 2DF) + 4N²D a layer: projections, feed-forward, scores and weighted sum.

        The same if causal: sdpa may skip the masked half, the other two compute it.
        """
        layer = block_flops(seq_len, self.d_model, self.dim_feedforward)
        return len(self.layers) * (layer + 4 * seq_len * seq_len * self.d_model)


class Layer(Block):
    """One layer of softmax attention and feed-forward."""

    def __init__(self, d_model, heads, dim_feedforward, dropout, causal, attention):
        super().__init__(d_model, heads, dim_feedforward, dropout)
        self.causal, self.attention = causal, attention

    def forward(self, x, mask=None, rotation=None):
        if self.attention == "encoder":
            return super().forward(x, src_mask=mask, is_causal=self.causal)
        q, k, v = self.project(x, rotation)
        dropped = self.self_attn.dropout if self.training else 0.0
        if self.attention == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=self.causal)
        else:
            y = F.dropout(attention_weights(q, k, self.causal), dropped) @ v
        return self.finish(x, y)

    def project(self, x, rotation=None):
        q, k, v = super().project(x)  # (batch, heads, seq_len, head_width) each
        if self.attention == "uniform":
            q = torch.zeros_like(q)
        return (q, k, v) if rotation is None else (rotate(q, rotation), rotate(k, rotation), v)

    def step(self, x, cache, t, rotation=None):
        """Position t, x of shape (batch, 1, d_model), against a cache that holds those before it."""
        q, cache[0, :, :, t : t + 1], cache[1, :, :, t : t + 1] = self.project(x, rotation)
        keys, values = cache[:, :, :, : t + 1]  # (batch, heads, t + 1, head_width) each
        return self.finish(x, F.scaled_dot_product_attention(q, keys, values))


def attention_weights(q, k, causal):
    """softmax(QK^T / sqrt(head_width)), shape (batch, heads, seq_len, seq_len)."""
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    return scores.softmax(dim=-1)
