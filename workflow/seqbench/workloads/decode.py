"""One decoded token after a context: what generating text costs, token by token."""

import torch

from workflow.seqbench.log import UserError
from workflow.seqbench.models import build
from workflow.seqbench.workloads import Workload


def prepare(model, settings, seq_len, device):
    """One step after seq_len tokens: from the model's state, or (`cache: false`) from all tokens.

    The state is that of a random context; how it was filled does not change what a step costs.
    Without a cache the call is the forward pass over the context and the new token.
    """
    batch_size, d_model = settings["batch_size"], settings["d_model"]
    module = build(model, d_model, seq_len + 1).to(device).train(settings["mode"] == "train")
    x = torch.randn(batch_size, seq_len + 1, d_model).to(device)

    if model.get("cache", True):
        with torch.inference_mode():
            state = None
            for t in range(seq_len):
                y, state = module.step(x[:, t], state)
                if y.shape != x[:, t].shape:
                    architecture = model["architecture"]
                    raise UserError(
                        f"{architecture} breaks the contract of a model: its step makes"
                        f" {tuple(y.shape)} of {tuple(x[:, t].shape)}"
                    )

        @torch.inference_mode()
        def call():
            return module.step(x[:, -1], state)[0]  # (batch_size, d_model)

        flops = module.step_flops(seq_len)
    else:

        @torch.inference_mode()
        def call():
            return module(x)[:, -1]  # (batch_size, d_model)

        flops = module.flops(seq_len + 1)
    return Workload(module, call, batch_size, batch_size * flops)
