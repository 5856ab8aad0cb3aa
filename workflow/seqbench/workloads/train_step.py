"""One training step: forward, backward, Adam's update."""

import torch

from workflow.seqbench.models import build
from workflow.seqbench.workloads import Workload


def prepare(model, settings, seq_len, device):
    """One step towards a random target of the input's shape (batch_size, seq_len, d_model).

    flops counts three times the forward pass: the backward pass computes the gradient of the
    inputs and of the weights, each as much work as the forward pass.
    """
    batch_size, d_model = settings["batch_size"], settings["d_model"]
    module = build(model, d_model, seq_len).to(device).train(settings["mode"] == "train")
    x = torch.randn(batch_size, seq_len, d_model).to(device)
    target = torch.randn_like(x)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)

    def call():
        loss = torch.nn.functional.mse_loss(module(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Workload(module, call, batch_size * seq_len, 3 * batch_size * module.flops(seq_len))
