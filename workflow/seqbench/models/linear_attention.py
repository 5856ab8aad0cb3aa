"""Linear attention: Katharopoulos et al. 2020, "Transformers are RNNs", always causal."""

import torch
import torch.nn.functional as F
from torch import nn

from workflow.seqbench.models._blocks import Block, Positions, block_flops

CHUNK = 64  # positions whose scores are written out; longer ranges go through a state
EPSILON = 1e-6  # in the denominator, should every feature underflow


class Model(nn.Module):
    """The Transformer's post-norm stack with softmax(QK^T)V replaced by a sum that can be carried.

    A position reads sum_s (f(q_t) f(k_s)) v_s / sum_s f(q_t) f(k_s) over s <= t, with
    f(x) = elu(x) + 1 (section 3.2.1). The sums over s are a state of fixed size, so the model is
    an RNN too (section 3.4). dropout: as in the Transformer, but none on attention weights.
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
    ):
        super().__init__()
        self.d_model, self.heads, self.dim_feedforward = d_model, heads, dim_feedforward
        self.layers = nn.ModuleList(
            Layer(d_model, heads, dim_feedforward, dropout) for _ in range(layers)
        )
        self.positions = Positions(positions, seq_len, d_model)

    def forward(self, x):
        x = self.positions(x)
        for layer in self.layers:
            x = layer(x)
        return x  # (batch, seq_len, d_model)

    @torch.no_grad()
    def step(self, x_t, state=None):
        layers, t = ([None] * len(self.layers), 0) if state is None else state
        x, layers = self.positions(x_t.unsqueeze(1), start=t), list(layers)
        for i, layer in enumerate(self.layers):
            x, layers[i] = layer.step(x, layers[i])  # (batch, 1, d_model)
        return x.squeeze(1), (layers, t + 1)

    def step_flops(self, context):
        """8D² + 4DF + 4D²/heads a layer, however long the context: projections, feed-forward, state."""
        attention = 4 * self.d_model * (self.d_model // self.heads)
        layer = block_flops(1, self.d_model, self.dim_feedforward)
        return len(self.layers) * (layer + attention)

    def state_bytes(self, context):
        """A matrix and a vector for each head, however long the context."""
        width = self.d_model // self.heads
        return 4 * len(self.layers) * self.heads * (width * width + width)

    def flops(self, seq_len):
        """2N(4D² + 2DF) + 4N'D(C + D/heads) a layer, for N' the positions in whole chunks of C.

        Within chunks the scores and the weighted sum, across them the states and what is read of
        them; the denominator, element by element, left out.
        """
        chunk = min(CHUNK, seq_len)
        padded = -(-seq_len // chunk) * chunk
        attention = 4 * padded * self.d_model * (chunk + self.d_model // self.heads)
        layer = block_flops(seq_len, self.d_model, self.dim_feedforward)
        return len(self.layers) * (layer + attention)


class Layer(Block):
    """One layer of linear attention and feed-forward."""

    def forward(self, x):
        q, k, v = self.features(x)
        weights = (q * k.cumsum(dim=2)).sum(-1, keepdim=True)  # (batch, heads, seq_len, 1)
        return self.finish(x, causal_sum(q, k, v) / (weights + EPSILON))

    def step(self, x, state):
        """One position, x of shape (batch, 1, d_model); state: the sums over those before it."""
        q, k, v = self.features(x)  # (batch, heads, 1, head_width) each
        memory, weight = state or (0, 0)
        memory = memory + k.mT @ v  # (batch, heads, head_width, head_width)
        weight = weight + k  # (batch, heads, 1, head_width)
        y = q @ memory / ((q * weight).sum(-1, keepdim=True) + EPSILON)
        return self.finish(x, y), (memory, weight)

    def features(self, x):
        """f(queries), f(keys) and values, each (batch, heads, seq_len, head_width)."""
        q, k, v = self.project(x)
        return F.elu(q) + 1, F.elu(k) + 1, v


def causal_sum(q, k, v):
    """sum_{s <= t} (q_t k_s) v_s for tensors of shape (batch, heads, seq_len, width).

    In chunks: scores inside a chunk, and one matrix k^T v for all chunks before it. The memory
    is that of N / C matrices, where a plain cumulative sum needs N (Hua et al. 2022, section 3).
    """
    seq_len = q.shape[2]
    chunk = min(CHUNK, seq_len)
    q, k, v = (
        F.pad(z, (0, 0, 0, -seq_len % chunk)).unflatten(2, (-1, chunk)) for z in (q, k, v)
    )  # (batch, heads, chunks, chunk, width); zero keys add nothing
    inside = (q @ k.mT).tril() @ v
    states = (k.mT @ v).cumsum(dim=2)  # (batch, heads, chunks, width, width)
    before = F.pad(states[:, :, :-1], (0, 0, 0, 0, 1, 0))  # shifted: zero for the first chunk
    return (inside + q @ before).flatten(2, 3)[:, :, :seq_len]
