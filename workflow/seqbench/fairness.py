"""The fairness ledger: what each model is given in each experiment. It runs no experiment."""

import math
from typing import NamedTuple

import pandas as pd

from workflow.seqbench.config import model_entry, model_section
from workflow.seqbench.models import build

UNREPORTED = ("tuning",)  # its models are those of another experiment


class Size(NamedTuple):
    """Trainable parameters of a model: all, and those without embedding and classifier."""

    parameters: int
    core_parameters: int


def ledger(config):
    """The table `fairness`: one row per (experiment, model, seq_len).

    config: `models` and the experiments. FLOPs are those of a forward pass of the core over
    seq_len tokens, divided by them, in closed form. The state is what decoding one sequence would
    carry: state_bytes_fixed whatever the context, state_bytes_per_token more for each token of it.
    It depends on the sizes alone and so is told of models too that read ahead and cannot decode. A
    decoder without a cache carries what it read instead.
    """
    experiments = [name for name in config if name not in ("models", *UNREPORTED)]
    return pd.DataFrame(
        [
            {
                "experiment": name,
                "model": model,
                "seq_len": seq_len,
                **entry(config, name, model, seq_len),
            }
            for name in experiments
            for model in config[name]["models"]
            for seq_len in config[name]["seq_lens"]
        ]
    )


def entry(config, experiment, model, seq_len):
    """Columns of one row, with the model built and looked at."""
    part = config[experiment]
    core, size = construct(config, experiment, model, seq_len)
    fixed, growth = state_bytes(core, seq_len)
    if not model_entry(config, experiment, model).get("cache", True):
        fixed, growth = 0, 4 * part["d_model"]
    row = {
        **size._asdict(),
        "flops_per_token": core.flops(seq_len) / seq_len,
        "state_bytes_per_token": growth,
        "state_bytes_fixed": fixed,
        "lr": math.nan,
        "budget_steps": 0,
        "tuning_trainings": 0,
        "tuning_steps": 0,
    }
    if "task" not in part:
        return row
    own = part | model_section(config, experiment, model)
    return row | {"lr": own["lr"], "budget_steps": own["steps"], **tuning(config["tuning"], model)}


def state_bytes(core, seq_len):
    """Bytes of float32 state that decoding carries: (whatever the context, more for each token)."""
    growth = (core.state_bytes(2 * seq_len) - core.state_bytes(seq_len)) / seq_len
    return core.state_bytes(seq_len) - growth * seq_len, growth


def tuning(part, model):
    """Trainings spent on a model's learning rate, and their steps where none ends early."""
    if model not in part["models"]:
        return {"tuning_trainings": 0, "tuning_steps": 0}
    trainings = len(part["learning_rates"]) * len(part["seq_lens"]) * len(part["seeds"])
    return {"tuning_trainings": trainings, "tuning_steps": trainings * part["steps"]}


def construct(config, experiment, model, seq_len):
    """(core, Size) of a model as an experiment builds it."""
    part, chosen = config[experiment], model_entry(config, experiment, model)
    if "task" not in part:
        core = build(chosen, part["d_model"], seq_len)
        return core, Size(count(core), count(core))
    from workflow.seqbench.recall.model import build_recaller  # torch, which checks need not load

    net = build_recaller(chosen, part, seq_len)
    return net.core, Size(count(net), count(net.core))


def count(module):
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def for_people(table):
    """One row per (experiment, model), at the experiment's longest sequences."""
    longest = table.groupby("experiment")["seq_len"].transform("max")
    table = table[table["seq_len"] == longest]
    return pd.DataFrame(
        {
            "experiment": table["experiment"],
            "model": table["model"],
            "parameters": table["parameters"],
            "core parameters": table["core_parameters"],
            "tokens": table["seq_len"],
            "FLOPs per token": [flops_text(flops) for flops in table["flops_per_token"]],
            "state (bytes)": [
                state_text(row.state_bytes_fixed, row.state_bytes_per_token)
                for row in table.itertuples()
            ],
            "learning rate": table["lr"],
            "training steps": [f"{steps:,}" if steps else "–" for steps in table["budget_steps"]],
            "tuning (trainings, steps)": [
                f"{row.tuning_trainings} × {row.tuning_steps // row.tuning_trainings:,}"
                if row.tuning_trainings
                else ("0" if row.budget_steps else "–")
                for row in table.itertuples()
            ],
        }
    )


def flops_text(flops):
    """Millions: 2.45 M."""
    return f"{flops / 1e6:.3g} M"


def state_text(fixed, per_token):
    """ "1,024" where it does not grow, "256 a token" where it grows from nothing."""
    parts = [f"{fixed:,.0f}"] if fixed or not per_token else []
    return " + ".join(parts + ([f"{per_token:,.0f} a token"] if per_token else []))
