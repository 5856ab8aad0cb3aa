"""LSTM: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

import torch
from torch import nn

from workflow.seqbench.models._gates import chrono, set_gate_bias

INITS = ("default", "forget_bias", "chrono")
INPUT_GATE, FORGET_GATE = 0, 1  # PyTorch's order of gates: input, forget, cell, output


class Model(nn.Module):
    """PyTorch's LSTM with hidden_size = d_model, so that it maps a sequence to its own shape.

    init: default (PyTorch's: forget gates start half open); forget_bias (they start with the bias
    of that option: Gers et al. 2000, Jozefowicz et al. 2015); chrono (with biases spread so that
    the cells remember for 2 to seq_len tokens: Tallec & Ollivier 2018).
    detach_at: share of the sequence, between 0 and 1, after which no gradient passes back through
    the state. What the model computes stays the same bit for bit; 0 cuts nothing.
    """

    STATE = ("hidden", "cell")

    def __init__(self, d_model, seq_len, layers=1, init="default", forget_bias=1.0, detach_at=0.0):
        super().__init__()
        self.d_model, self.layers, self.detach_at = d_model, layers, detach_at
        self.lstm = nn.LSTM(d_model, d_model, layers, batch_first=True)
        initialise(self.lstm, init, forget_bias, seq_len)

    def forward(self, x):
        y = self.lstm(x)[0]  # (batch, seq_len, d_model)
        at = round(self.detach_at * x.shape[1])
        if 0 < at < x.shape[1] and torch.is_grad_enabled():
            cut = self.interrupted(x, at, lambda *state: [part.detach() for part in state])
            return Graft.apply(y.detach(), cut)
        return y

    def interrupted(self, x, at, change):
        """forward, with the state after `at` positions replaced by change(hidden, cell).

        Each part of the state has shape (layers, batch, d_model).
        """
        before, state = self.lstm(x[:, :at])
        after, _ = self.lstm(x[:, at:], tuple(change(*state)))
        return torch.cat((before, after), dim=1)  # (batch, seq_len, d_model)

    @torch.no_grad()
    def step(self, x_t, state=None):
        """By the fused cell: `nn.LSTM` takes 2 to 5 times as long over a single token."""
        if state is None:
            state = [(torch.zeros_like(x_t), torch.zeros_like(x_t))] * self.layers
        state = list(state)
        for layer, weights in enumerate(self.lstm.all_weights):
            state[layer] = torch.lstm_cell(x_t, state[layer], *weights)  # (hidden, cell)
            x_t = state[layer][0]  # (batch, d_model)
        return x_t, state

    def keep_gate(self):
        """Share of the cell state that a step keeps by the bias alone: of layer 0, (d_model,).

        The gradient through T steps of the cell state shrinks about as its T-th power.
        """
        bias = (self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0).detach()
        return torch.sigmoid(bias.chunk(4)[FORGET_GATE])

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """A hidden and a cell state a layer, however long the context."""
        return 4 * self.layers * 2 * self.d_model

    def flops(self, seq_len):
        """8 N D (D_in + D) a layer: the matrix products; gates and cell update left out."""
        return self.layers * 8 * seq_len * self.d_model * (self.d_model + self.d_model)


class Graft(torch.autograd.Function):
    """The value of one tensor with the gradient of another, for two that differ in rounding alone.

    An LSTM that is run in two pieces rounds differently in the last digit.
    """

    @staticmethod
    def forward(ctx, value, path):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return None, gradient


def initialise(lstm, init, forget_bias, seq_len):
    """Set the gate biases of every layer."""
    if init not in INITS:
        raise ValueError(f"init is {init!r}; allowed: {', '.join(INITS)}")
    for layer in range(lstm.num_layers):
        if init == "forget_bias":
            set_gate_bias(lstm, layer, FORGET_GATE, forget_bias)
        elif init == "chrono":
            bias = chrono(lstm.hidden_size, seq_len, layer)
            set_gate_bias(lstm, layer, FORGET_GATE, bias)
            set_gate_bias(lstm, layer, INPUT_GATE, -bias)
