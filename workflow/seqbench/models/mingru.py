"""minGRU: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1."""

import torch
from torch import nn

from workflow.seqbench.models._gates import chrono

INITS = ("default", "chrono")


class Model(nn.Module):
    """h_t = (1 - z_t) h_{t-1} + z_t c_t, with gate z_t and candidate c_t read from x_t alone.

    As neither needs h_{t-1}, all positions are computed at once. One layer cannot treat a token
    by its position, as its gates see that token only; from two layers on they see the past.

    init: default (`nn.Linear`'s: gates start half open); chrono (with biases spread so that they
    keep the state for 2 to seq_len tokens: Tallec & Ollivier 2018). Here z lets in the new, so its
    bias is the negative of a gate's that keeps.
    """

    STATE = ("hidden",)

    def __init__(self, d_model, seq_len, layers=1, init="default"):
        super().__init__()
        if init not in INITS:
            raise ValueError(f"init is {init!r}; allowed: {', '.join(INITS)}")
        self.d_model = d_model
        self.layers = nn.ModuleList(nn.Linear(d_model, 2 * d_model) for _ in range(layers))
        if init == "chrono":
            for number, layer in enumerate(self.layers):
                layer.bias.data[:d_model] = -chrono(d_model, seq_len, number)

    def forward(self, x):
        for layer in self.layers:
            gate, candidate = layer(x).chunk(2, dim=-1)  # (batch, seq_len, d_model) each
            x = scan(torch.sigmoid(-gate), torch.sigmoid(gate) * candidate)
        return x  # (batch, seq_len, d_model)

    @torch.no_grad()
    def step(self, x_t, state=None):
        state = [torch.zeros_like(x_t)] * len(self.layers) if state is None else list(state)
        for i, layer in enumerate(self.layers):
            gate, candidate = layer(x_t).chunk(2, dim=-1)  # (batch, d_model) each
            x_t = state[i] = torch.lerp(state[i], candidate, torch.sigmoid(gate))
        return x_t, state

    def sequential(self, x, state=None):
        """The same as forward, one position after the other, from a state; the state at the end."""
        outputs = []
        for x_t in x.unbind(dim=1):
            y_t, state = self.step(x_t, state)
            outputs.append(y_t)
        return torch.stack(outputs, dim=1), state

    def interrupted(self, x, at, change):
        """forward, with the state (layers, batch, d_model) after `at` positions changed."""
        before, state = self.sequential(x[:, :at])
        (changed,) = change(torch.stack(state))
        return torch.cat((before, self.sequential(x[:, at:], changed)[0]), dim=1)

    def keep_gate(self):
        """Share of the state that a step keeps by the bias alone: of layer 0, (d_model,)."""
        return torch.sigmoid(-self.layers[0].bias.detach()[: self.d_model])

    def step_flops(self, context):
        """Those of a sequence of one token, however long the context."""
        return self.flops(1)

    def state_bytes(self, context):
        """A hidden state a layer, however long the context."""
        return 4 * len(self.layers) * self.d_model

    def flops(self, seq_len):
        """4 N D² a layer: the matrix products; the scan, element by element, left out."""
        return len(self.layers) * 4 * seq_len * self.d_model**2


def scan(a, b):
    """All h_t = a_t h_{t-1} + b_t from h_0 = 0, for a and b of shape (batch, seq_len, width).

    Pairs of neighbours are merged, half as many are solved, and the positions between follow
    (Blelloch 1990, section 1.4): O(N) work in O(log N) calls. It multiplies and adds only, so with
    a in (0, 1) nothing can overflow, and the log-space form of Feng et al. 2024, appendix B, with
    its positive candidates, is not needed.
    """
    n = a.shape[1]
    if n == 1:
        return b
    a_even, a_odd = a[:, : n - 1 : 2], a[:, 1::2]  # positions 0, 2, .. that have a successor
    b_even, b_odd = b[:, : n - 1 : 2], b[:, 1::2]
    odd = scan(a_odd * a_even, torch.addcmul(b_odd, a_odd, b_even))  # h at 1, 3, ..
    even = torch.addcmul(b[:, 2::2], a[:, 2::2], odd[:, : (n - 1) // 2])  # h at 2, 4, ..
    h = torch.empty_like(b)
    h[:, 0], h[:, 1::2], h[:, 2::2] = b[:, 0], odd, even
    return h
