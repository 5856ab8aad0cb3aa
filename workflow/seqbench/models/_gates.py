"""Initial gate biases that make a recurrent network remember (Tallec & Ollivier 2018)."""

import torch

from workflow.seqbench.measuring.seeds import generator


def chrono(width, seq_len, layer):
    """Biases b = log U[1, T_max - 1], shape (width,), of a layer's gates that keep the state.

    A gate sigmoid(b) keeps a state for 1 + exp(b) steps, which is uniform between 2 and T_max here
    (section 2 of the paper); T_max = seq_len, of which 2 is the least. A gate that lets new content
    in gets -b. The draw has a stream of its own, so that no other weight depends on it: models that
    differ in their gate biases alone share the rest.
    """
    stream = generator(torch.initial_seed(), "chrono", layer)
    return torch.empty(width).uniform_(1, max(seq_len - 1, 1), generator=stream).log_()


@torch.no_grad()
def set_gate_bias(network, layer, gate, value):
    """Make `value`, a number or one per unit, the effective bias of a gate of one layer.

    network: an `nn.LSTM` or `nn.GRU`; gate: its place in PyTorch's order. PyTorch adds two bias
    vectors: one carries the value and the other is zeroed.
    """
    units = slice(gate * network.hidden_size, (gate + 1) * network.hidden_size)
    getattr(network, f"bias_ih_l{layer}")[units] = value
    getattr(network, f"bias_hh_l{layer}")[units] = 0
