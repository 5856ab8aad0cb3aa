"""The fairness ledger: what each model is given in each experiment. It runs no experiment."""

import math

import pandas as pd

from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.models import build, parameters


def ledger(plan):
    """The table `fairness`: one row per (experiment, model, seq_len), sweeps left out.

    FLOPs are those of a forward pass of the core over seq_len tokens, divided by them, in closed
    form. The state is what decoding one sequence would carry: state_bytes_fixed whatever the
    context, state_bytes_per_token more for each token of it; empty where the model does not say. It
    depends on the sizes alone and so is given for models too that read ahead and cannot decode. A
    decoder without a cache carries what it read instead.
    """
    rows = []
    for experiment in plan.names(swept=False):
        cells = [(cell["model"], cell["seq_len"]) for cell in plan.cells(experiment)]
        for model, seq_len in dict.fromkeys(cells):
            row = {"experiment": experiment, "model": model, "seq_len": seq_len}
            rows.append(row | entry(plan, experiment, model, seq_len))
    return pd.DataFrame(rows)


def entry(plan, experiment, model, seq_len):
    """Columns of one row, with the model built and looked at."""
    options = plan.model(experiment, model)
    settings = plan.settings(experiment, model, seq_len)
    trains = plan.trains(experiment)
    if trains:
        whole = build_classifier(options, settings, seq_len)
        core = whole.core
    else:
        whole = core = build(options, settings["d_model"], seq_len)
    fixed, growth = state_bytes(core, seq_len)
    if not options.get("cache", True):
        fixed, growth = 0, 4 * settings["d_model"]
    return {
        "parameters": parameters(whole),
        "core_parameters": parameters(core),
        "flops_per_token": core.flops(seq_len) / seq_len,
        "state_bytes_per_token": growth,
        "state_bytes_fixed": fixed,
        "lr": settings.get("lr", math.nan),
        "budget_steps": settings.get("steps", 0),
        **tuning_effort(plan, experiment, model, seq_len),
    }


def state_bytes(core, seq_len):
    """Bytes of float32 state that decoding carries: (whatever the context, more for each token)."""
    if not hasattr(core, "state_bytes"):
        return math.nan, math.nan
    growth = (core.state_bytes(2 * seq_len) - core.state_bytes(seq_len)) / seq_len
    return core.state_bytes(seq_len) - growth * seq_len, growth


def tuning_effort(plan, experiment, model, seq_len):
    """Trainings spent on the learning rate of these cells, and their steps where none ends early.

    None where the rate is a fixed one.
    """
    trained = plan.config["models"][model].get("training", {})
    tuned = trained.get("lr", plan.experiments[experiment].get("lr")) == "tuned"
    budgets = [
        plan.settings(sweep, **cell)["steps"]
        for sweep in plan.names("training", swept=True)
        for cell in plan.cells(sweep)
        if tuned and (cell["model"], cell["seq_len"]) == (model, seq_len)
    ]
    return {"tuning_trainings": len(budgets), "tuning_steps": sum(budgets)}
