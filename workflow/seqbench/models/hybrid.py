"""Hybrid: a recurrent network with one attention layer on top (Wen et al. 2024).

"RNNs are not Transformers (Yet)" shows that a single Transformer layer closes the gap in what the
two can represent: the RNN keeps order, the attention retrieves.
"""

from torch import nn

from workflow.seqbench.models import lstm, transformer


class Model(nn.Module):
    """An LSTM of `layers` layers, then one causal Transformer layer without positions of its own.

    init and forget_bias are the LSTM's options, the ones after them the Transformer's.
    """

    def __init__(
        self,
        d_model,
        seq_len,
        layers=1,
        init="default",
        forget_bias=1.0,
        heads=4,
        dim_feedforward=2048,
        dropout=0.1,
        attention="sdpa",
    ):
        super().__init__()
        self.recurrent = lstm.Model(d_model, seq_len, layers, init, forget_bias)
        self.retrieval = transformer.Model(
            d_model,
            seq_len,
            1,
            heads,
            dim_feedforward,
            dropout,
            causal=True,
            attention=attention,
        )
        self.parts = (self.recurrent, self.retrieval)

    def forward(self, x):
        return self.retrieval(self.recurrent(x))  # (batch, seq_len, d_model)

    def step(self, x_t, state=None):
        carried, cache = state or (None, None)
        x_t, carried = self.recurrent.step(x_t, carried)
        y_t, cache = self.retrieval.step(x_t, cache)
        return y_t, (carried, cache)

    def step_flops(self, context):
        return sum(part.step_flops(context) for part in self.parts)

    def state_bytes(self, context):
        return sum(part.state_bytes(context) for part in self.parts)

    def flops(self, seq_len):
        return sum(part.flops(seq_len) for part in self.parts)
