"""LSTM: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

import torch
from torch import nn

INITS = ("default", "forget_bias", "chrono")


class Model(nn.Module):
    """PyTorch's LSTM with hidden_size = d_model, so that it maps a sequence to its own shape.

    init: default (PyTorch's: forget gates start half open); forget_bias (they start with the bias
    of that option: Gers et al. 2000, Jozefowicz et al. 2015); chrono (with biases spread so that
    the cells remember for 1 to seq_len tokens: Tallec & Ollivier 2018).
    """

    def __init__(self, d_model, seq_len, layers=1, init="default", forget_bias=1.0):
        super().__init__()
        self.d_model, self.layers = d_model, layers
        self.lstm = nn.LSTM(d_model, d_model, layers, batch_first=True)
        initialise(self.lstm, init, forget_bias, seq_len)

    def forward(self, x):
        return self.lstm(x)[0]  # (batch, seq_len, d_model)

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

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """A hidden and a cell state a layer, however long the context."""
        return 4 * self.layers * 2 * self.d_model

    def parameter_count(self):
        """Four gates, each with two square matrices and two biases."""
        return self.layers * 4 * (2 * self.d_model**2 + 2 * self.d_model)

    def flops(self, seq_len):
        """8 N D (D_in + D) a layer: the matrix products; gates and cell update left out."""
        return self.layers * 8 * seq_len * self.d_model * (self.d_model + self.d_model)


@torch.no_grad()
def initialise(lstm, init, forget_bias, seq_len):
    """Set the gate biases of every layer.

    PyTorch adds two bias vectors, each in gate order input, forget, cell, output. One of them
    carries the value and the other is zeroed, so that the effective bias is the one asked for.
    """
    if init not in INITS:
        raise ValueError(f"init is {init!r}; allowed: {', '.join(INITS)}")
    if init == "default":
        return
    for layer in range(lstm.num_layers):
        carrier, zeroed = (getattr(lstm, f"bias_{side}_l{layer}") for side in ("ih", "hh"))
        input_gate, forget_gate = (
            slice(lstm.hidden_size),
            slice(lstm.hidden_size, 2 * lstm.hidden_size),
        )
        zeroed[forget_gate] = 0
        if init == "forget_bias":
            carrier[forget_gate] = forget_bias
        else:  # b_f = log U[1, T_max - 1] and b_i = -b_f; T_max = seq_len, of which 2 is the least
            carrier[forget_gate].uniform_(1, max(seq_len - 1, 1)).log_()
            carrier[input_gate] = -carrier[forget_gate]
            zeroed[input_gate] = 0
