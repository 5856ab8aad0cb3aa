"""The frame around a core: tokens in, a guess at the target token out."""

import torch
from torch import nn

from workflow.seqbench.measuring.seeds import derive
from workflow.seqbench.models import build

READOUTS = ("last", "mean")


class SequenceClassifier(nn.Module):
    """Embedding, core, read-out (the last position or the mean of all), linear classifier."""

    def __init__(self, core, vocabulary, d_model, readout="last", stream=()):
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout is {readout!r}; allowed: {', '.join(READOUTS)}")
        self.core = core
        self.readout = readout
        torch.manual_seed(derive(*stream, "embedding"))
        self.embedding = nn.Embedding(vocabulary, d_model)
        torch.manual_seed(derive(*stream, "head"))
        self.head = nn.Linear(d_model, vocabulary)

    def forward(self, tokens):
        """Tokens (batch, seq_len) to logits (batch, vocabulary)."""
        return self.from_embedding(self.embedding(tokens))

    def from_embedding(self, x):
        """Embedded tokens (batch, seq_len, d_model) to logits (batch, vocabulary)."""
        return self.read(self.core(x))

    def read(self, y):
        """Outputs of the core (batch, seq_len, d_model) to logits (batch, vocabulary)."""
        return self.head(y.mean(dim=1) if self.readout == "mean" else y[:, -1])

    def at_every_position(self, tokens):
        """Logits of a guess after each token, (batch, seq_len, vocabulary); the last is forward's."""
        if self.readout != "last":
            raise ValueError(f"a guess at every position needs readout last, not {self.readout}")
        return self.head(self.core(self.embedding(tokens)))


def build_classifier(model, settings, seq_len, stream=()):
    """The classifier of a config entry; `readout` in the entry, the last position by default.

    Embedding, core and classifier draw their weights each from a stream of its own under `stream`,
    which does not depend on the model: models of one architecture that differ in read-out or
    initialisation share all other weights, and all models share embedding and classifier.
    """
    torch.manual_seed(derive(*stream, "core"))
    core = build(model, settings["d_model"], seq_len)
    readout = model.get("readout", "last")
    return SequenceClassifier(core, settings["vocabulary"], settings["d_model"], readout, stream)
