"""The forward pass without gradients: what the original's Experiment 1 timed."""

import torch

from workflow.seqbench.models import build
from workflow.seqbench.workloads import Workload


def prepare(model, settings, seq_len, device):
    """One pass over a random normal input of shape (batch_size, seq_len, d_model)."""
    batch_size, d_model = settings["batch_size"], settings["d_model"]
    module = build(model, d_model, seq_len).to(device).train(settings["mode"] == "train")
    x = torch.randn(batch_size, seq_len, d_model).to(device)

    @torch.inference_mode()
    def call():
        return module(x)  # (batch_size, seq_len, d_model)

    return Workload(module, call, batch_size * seq_len, batch_size * module.flops(seq_len))
