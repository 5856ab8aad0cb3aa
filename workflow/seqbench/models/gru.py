"""GRU: Cho et al. 2014, with the reset gate after the matrix product, as PyTorch has it."""

import torch
from torch import nn


class Model(nn.Module):
    """PyTorch's GRU with hidden_size = d_model, so that it maps a sequence to its own shape."""

    def __init__(self, d_model, seq_len, layers=1):
        super().__init__()
        self.d_model, self.layers = d_model, layers
        self.gru = nn.GRU(d_model, d_model, layers, batch_first=True)

    def forward(self, x):
        return self.gru(x)[0]  # (batch, seq_len, d_model)

    @torch.no_grad()
    def step(self, x_t, state=None):
        """By the fused cell: `nn.GRU` takes twice as long over a single token."""
        state = [torch.zeros_like(x_t)] * self.layers if state is None else list(state)
        for layer, weights in enumerate(self.gru.all_weights):
            x_t = state[layer] = torch.gru_cell(x_t, state[layer], *weights)  # (batch, d_model)
        return x_t, state

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """A hidden state a layer, however long the context."""
        return 4 * self.layers * self.d_model

    def parameter_count(self):
        """Two gates and a candidate, each with two square matrices and two biases."""
        return self.layers * 3 * (2 * self.d_model**2 + 2 * self.d_model)

    def flops(self, seq_len):
        """6 N D (D_in + D) a layer: the matrix products; gates and state update left out."""
        return self.layers * 6 * seq_len * self.d_model * (self.d_model + self.d_model)
