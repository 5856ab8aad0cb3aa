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
    """Mean attention on each position in the last layer, seq_len floats; None without attention."""
    if not hasattr(net.core, "first_token_attention"):
        return None
    training = net.training
    net.eval()
    weights = net.core.first_token_attention(net.embedding(tokens))
    net.train(training)
    return weights.tolist()


def forget_gate(net):
    """sigmoid(b) of each forget gate of an LSTM, b = b_ih + b_hh of layer 0; None elsewhere.

    The gradient through T steps of the cell state shrinks about as sigmoid(b)^T.
    """
    lstm = getattr(net.core, "lstm", None)
    if not isinstance(lstm, torch.nn.LSTM):
        return None
    hidden = lstm.hidden_size
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0)[hidden : 2 * hidden]  # PyTorch's order: i, f, g, o
    return torch.sigmoid(bias.detach()).tolist()
