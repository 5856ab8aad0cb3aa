"""Cells, curves and runs of which everything is known: what the tests of judging start from."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench.results.selecting import Run

NAN = math.nan
LENGTHS = (100, 500, 1000, 2000, 3000)
PROPER = {"batch_size": 1, "d_model": 128, "mode": "eval", "calls": "steady", "workload": "forward"}
TRAINED = {"d_model": 64, "batch_size": 32, "vocabulary": 100, "lr": 0.005, "task": "first_token"}


def timed(law, model, n=6, lengths=LENGTHS, spread=0.01, seed=0, **columns):
    """Cells of a model, law(N) seconds each with lognormal noise between processes."""
    rng = np.random.default_rng([seed, *model.encode()])
    noise = np.exp(spread * rng.standard_normal((n, len(lengths))))
    times = np.array([law(length) for length in lengths]) * noise
    cells = {"seq_len": np.tile(lengths, n), "seed": np.repeat(range(n), len(lengths))}
    frame = pd.DataFrame({"model": model, **cells, "time_s": times.ravel()})
    frame = frame.assign(architecture=model, status="ok", cold_s=frame["time_s"])
    return frame.assign(call_memory_bytes=frame["time_s"] * 1e9, **PROPER | columns)


def trained(solved_step, model="lstm", seq_len=100, budget=3000, **columns):
    """Cells of trainings, one for each step at which it was solved (NaN: never)."""
    frame = pd.DataFrame({"model": model, "seq_len": seq_len, "seed": range(len(solved_step))})
    known = {"architecture": model, "status": "ok", "budget_steps": budget, "steps": budget}
    known |= {"final_loss": 0.01, "gradient_share_initial": 1e-2, "bag_of_tokens_loss_nats": 4.031}
    solved = np.array(solved_step, dtype=float)
    return frame.assign(solved_step=solved, **known | TRAINED | columns)


def curves(drops, model="lstm", seq_len=100, steps=200):
    """Training losses of 4.6 that fall to 0 at a step of each run (NaN: never)."""
    step = np.arange(1, steps + 1)
    parts = [
        pd.DataFrame({"seed": seed, "step": step, "train_loss": np.where(step >= drop, 0.0, 4.6)})
        for seed, drop in enumerate(drops)
    ]
    return pd.concat(parts, ignore_index=True).assign(model=model, seq_len=seq_len)


def run(**tables):
    """A Run of tables by name; a list of frames is one table."""
    return Run({k: pd.concat(v) if isinstance(v, list) else v for k, v in tables.items()})
