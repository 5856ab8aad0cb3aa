"""Recall the first token: read seq_len random tokens, then name the first one.

It needs log2(vocabulary - 1) bits of memory, so it tests whether training finds the solution,
not how much a model can hold.
"""

import math

import numpy as np
import torch


def sample(generator, batch_size, seq_len, vocabulary):
    """Tokens (batch_size, seq_len), uniform on 1..vocabulary-1, and targets (batch_size,)."""
    tokens = torch.randint(1, vocabulary, (batch_size, seq_len), generator=generator)
    return tokens, tokens[:, 0]


def chance_loss(seq_len, vocabulary):
    """Cross-entropy in nats of a uniform guess: ln K with K = vocabulary - 1."""
    return math.log(vocabulary - 1)


def bag_of_tokens_loss(seq_len, vocabulary):
    """Cross-entropy in nats of the best guess from token counts alone, L = seq_len:

    ln L - E[ln(1 + Bin(L - 1, 1/K))]. Given the counts, the first token is one of the L tokens
    with equal probability, so the loss is the mean of -ln(count of the true token / L).
    """
    n, p = seq_len - 1, 1 / (vocabulary - 1)
    again = np.arange(seq_len)  # how often the true token appears again: binomial
    choices = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in again]
    weights = np.exp(choices + again * math.log(p) + (n - again) * math.log1p(-p))
    return float(math.log(seq_len) - weights @ np.log1p(again))
