"""A causal convolution: each position mixes the `width` tokens up to and including its own."""

import torch
from torch import nn
from torch.nn.functional import pad, relu


class Model(nn.Module):
    """x + relu(conv(x)), a residual layer that never looks ahead."""

    def __init__(self, d_model, seq_len, width=4):
        super().__init__()
        self.d_model, self.width = d_model, width
        self.conv = nn.Conv1d(d_model, d_model, width)

    def forward(self, x):  # (batch, seq_len, d_model)
        past = pad(x.mT, (self.width - 1, 0))  # (batch, d_model, width - 1 + seq_len)
        return x + relu(self.conv(past)).mT

    def flops(self, seq_len):
        return 2 * seq_len * self.width * self.d_model**2

    # Below: decoding token by token, which only the experiment `decode` uses.

    @torch.no_grad()
    def step(self, x_t, state=None):  # (batch, d_model)
        if state is None:
            state = x_t.new_zeros(len(x_t), self.width - 1, self.d_model)
        window = torch.cat((state, x_t.unsqueeze(1)), dim=1)  # (batch, width, d_model)
        return x_t + relu(self.conv(window.mT)).squeeze(2), window[:, 1:]

    def step_flops(self, context):
        return self.flops(1)

    def state_bytes(self, context):
        return 4 * (self.width - 1) * self.d_model
