"""The frame around a core: tokens in, a guess at the target token out."""

from torch import nn

from workflow.seqbench.models import build

READOUTS = ("last", "mean")


class SequenceClassifier(nn.Module):
    """Embedding, core, read-out (the last position or the mean of all), linear classifier."""

    def __init__(self, core, vocabulary, d_model, readout="last"):
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout is {readout!r}; allowed: {', '.join(READOUTS)}")
        self.embedding = nn.Embedding(vocabulary, d_model)
        self.core = core
        self.readout = readout
        self.head = nn.Linear(d_model, vocabulary)

    def forward(self, tokens):
        """Tokens (batch, seq_len) to logits (batch, vocabulary)."""
        return self.from_embedding(self.embedding(tokens))

    def from_embedding(self, x):
        """Embedded tokens (batch, seq_len, d_model) to logits (batch, vocabulary)."""
        y = self.core(x)  # (batch, seq_len, d_model)
        return self.head(y.mean(dim=1) if self.readout == "mean" else y[:, -1])


def build_classifier(model, settings, seq_len):
    """The classifier of a config entry; `readout` in the entry, the last position by default."""
    core = build(model, settings["d_model"], seq_len)
    readout = model.get("readout", "last")
    return SequenceClassifier(core, settings["vocabulary"], settings["d_model"], readout)
