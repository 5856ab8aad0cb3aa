"""Cells, curves and runs of which everything is known: what the tests of judging start from."""

import math

import numpy as np
import pandas as pd

from workflow.seqbench.results.selecting import Run

NAN = math.nan
LENGTHS = (100, 500, 1000, 2000, 3000)
PROPER = {"batch_size": 1, "d_model": 128, "mode": "eval", "calls": "steady", "workload": "forward"}
TRAINED = {"d_model": 64, "batch_size": 32, "vocabulary": 100, "lr": 0.005, "task": "first_token"}


def timed(law, model, n=6, lengths=LENGTHS, spread=0.01, seed=0, reference=None, **columns):
    """Cells of a model, law(N) seconds each with lognormal noise between processes.

    reference: the law of the LSTM, which then took turns with the model, as did half the length.
    """
    rng = np.random.default_rng([seed, *model.encode()])
    noise = np.exp(spread * rng.standard_normal((3, n, len(lengths))))
    times = {"time_s": np.array([law(length) for length in lengths]) * noise[0]}
    if reference is not None:
        times["reference_time_s"] = np.array([reference(n) for n in lengths]) * noise[1]
        times["half_time_s"] = np.array([law(length / 2) for length in lengths]) * noise[2]
        window = np.exp(3 * spread * rng.standard_normal(noise[0].shape))  # of each process
        times = {name: window * values for name, values in times.items()}
        columns = {"reference": "lstm"} | columns
    cells = {"seq_len": np.tile(lengths, n), "seed": np.repeat(range(n), len(lengths))}
    cells |= {name: values.ravel() for name, values in times.items()}
    frame = pd.DataFrame({"model": model, **cells}).assign(architecture=model, status="ok")
    frame = frame.assign(cold_s=frame["time_s"], call_ram_bytes=frame["time_s"] * 1e9)
    return frame.assign(**PROPER | columns)


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
