"""Looks inside a classifier: how far the gradient reaches, and where attention goes."""

import torch
from torch.nn.functional import cross_entropy


def gradient_flow(net, tokens, targets):
    """Norm of d loss / d embedding at each position, mean over the sequences of a batch.

    tokens (batch, seq_len), targets (batch,); returns seq_len floats. The loss is summed over
    the batch, so that each sequence has its own gradient. Norms are taken in float64: those of
    the first positions can be smaller than the square root of float32's smallest number.
    """
    training = net.training
    net.eval()  # no dropout: the probe must not use up random numbers of the training
    x = net.embedding(tokens).detach().requires_grad_()  # (batch, seq_len, d_model)
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN's LSTM has no backward in eval mode
        loss = cross_entropy(net.from_embedding(x), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    net.train(training)
    return gradient.double().norm(dim=2).mean(dim=0).tolist()


@torch.no_grad()
def first_token_attention(net, tokens):
    """Mean attention on each position in the last layer, seq_len floats; None without attention.

    Where the last position is read, it is that one's attention: what others see is not read.
    """
    if not hasattr(net.core, "first_token_attention"):
        return None
    training = net.training
    net.eval()
    last = net.readout == "last"
    weights = net.core.first_token_attention(net.embedding(tokens), last)
    net.train(training)
    return weights.tolist()


def forget_gate(net):
    """Share of its state that each unit of a recurrent model keeps by its bias; None elsewhere."""
    gate = getattr(net.core, "keep_gate", None)
    return None if gate is None else gate().tolist()


class Trace:
    """What the probes saw before training and at each look after it, on the same sequences."""

    def __init__(self, net, tokens, targets):
        self.net, self.tokens, self.targets = net, tokens, targets
        self.flows, self.attention = [], []
        self.gates = forget_gate(net)
        self.look()

    def look(self, gradient=True):
        """Probe the net as it is now, its gradient only where that is asked for."""
        if gradient:
            self.flows.append(gradient_flow(self.net, self.tokens, self.targets))
        self.attention.append(first_token_attention(self.net, self.tokens))

    def columns(self):
        """Columns of the shard: lists have an entry for each look, the first before training.

        gradient_share_initial is the gradient's norm at the first position over that at the last,
        before training; None where none reaches the last.
        """
        first, last = self.flows[0][0], self.flows[0][-1]
        seen = self.attention[0] is not None
        return {
            "gradient_flow": self.flows,
            "gradient_first_initial": first,
            "gradient_last_initial": last,
            "gradient_share_initial": first / last if last else None,
            "initial_forget_gate": self.gates,
            "attention": self.attention[-1],
            "attention_first": [weights[0] for weights in self.attention] if seen else None,
        }
