"""GRU: Cho et al. 2014, with the reset gate after the matrix product, as PyTorch has it."""

import torch
from torch import nn

from workflow.seqbench.models._gates import chrono, set_gate_bias

INITS = ("default", "chrono")
UPDATE_GATE = 1  # PyTorch's order of gates: reset, update, new


class Model(nn.Module):
    """PyTorch's GRU with hidden_size = d_model, so that it maps a sequence to its own shape.

    init: default (PyTorch's: update gates start half open); chrono (with biases spread so that
    they keep the state for 2 to seq_len tokens: Tallec & Ollivier 2018). PyTorch's update gate z
    keeps the state, h = (1 - z) n + z h; that of Cho et al. 2014 and of the minGRU lets in the new.
    """

    STATE = ("hidden",)

    def __init__(self, d_model, seq_len, layers=1, init="default"):
        super().__init__()
        if init not in INITS:
            raise ValueError(f"init is {init!r}; allowed: {', '.join(INITS)}")
        self.d_model, self.layers = d_model, layers
        self.gru = nn.GRU(d_model, d_model, layers, batch_first=True)
        if init == "chrono":
            for layer in range(layers):
                set_gate_bias(self.gru, layer, UPDATE_GATE, chrono(d_model, seq_len, layer))

    def forward(self, x):
        return self.gru(x)[0]  # (batch, seq_len, d_model)

    def interrupted(self, x, at, change):
        """forward, with the state (layers, batch, d_model) after `at` positions changed."""
        before, state = self.gru(x[:, :at])
        (changed,) = change(state)
        return torch.cat((before, self.gru(x[:, at:], changed)[0]), dim=1)

    @torch.no_grad()
    def step(self, x_t, state=None):
        """By the fused cell: `nn.GRU` takes twice as long over a single token."""
        state = [torch.zeros_like(x_t)] * self.layers if state is None else list(state)
        for layer, weights in enumerate(self.gru.all_weights):
            x_t = state[layer] = torch.gru_cell(x_t, state[layer], *weights)  # (batch, d_model)
        return x_t, state

    def keep_gate(self):
        """Share of the state that a step keeps by the bias alone: of layer 0, (d_model,)."""
        bias = (self.gru.bias_ih_l0 + self.gru.bias_hh_l0).detach()
        return torch.sigmoid(bias.chunk(3)[UPDATE_GATE])

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """A hidden state a layer, however long the context."""
        return 4 * self.layers * self.d_model

    def flops(self, seq_len):
        """6 N D (D_in + D) a layer: the matrix products; gates and state update left out."""
        return self.layers * 6 * seq_len * self.d_model * (self.d_model + self.d_model)
