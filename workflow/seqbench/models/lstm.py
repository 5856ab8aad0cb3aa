"""LSTM: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

from torch import nn


class Model(nn.Module):
    """PyTorch's LSTM with hidden_size = d_model, so that it maps a sequence to its own shape."""

    def __init__(self, d_model, seq_len, layers=1):
        super().__init__()
        self.d_model, self.layers = d_model, layers
        self.lstm = nn.LSTM(d_model, d_model, layers, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]  # (batch, seq_len, d_model)

    def parameter_count(self):
        """Four gates, each with two square matrices and two biases."""
        return self.layers * 4 * (2 * self.d_model**2 + 2 * self.d_model)

    def flops(self, seq_len):
        """8 N D (D_in + D) a layer: the matrix products; gates and cell update left out."""
        return self.layers * 8 * seq_len * self.d_model * (self.d_model + self.d_model)
