"""The forward pass without gradients: what the original's Experiment 1 timed."""

import torch

from workflow.seqbench.models import build


def prepare(model, settings, seq_len, device):
    """The model on the device and a call that runs it once on a random normal input.

    Returns (module, call, flops): `call` takes no arguments and returns the output,
    of shape (batch_size, seq_len, d_model); flops are those of one call.
    """
    module = build(model, settings["d_model"], seq_len).to(device)
    module.train(settings["mode"] == "train")
    x = torch.randn(settings["batch_size"], seq_len, settings["d_model"]).to(device)

    @torch.inference_mode()
    def call():
        return module(x)

    return module, call, settings["batch_size"] * module.flops(seq_len)
