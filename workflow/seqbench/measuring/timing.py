"""Measure one timing cell in this process and return its shard row."""

import importlib
import signal
from contextlib import contextmanager

import numpy as np
import torch

from workflow.seqbench import models
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.measuring.seeds import derive


class OverBudget(Exception):
    """The cell took longer than time_limit_s."""


def measure_cell(experiment, cell, model, settings):
    """Row of one cell; `cell` holds model (its name), seq_len and seed.

    model: architecture and options; settings: the experiment's section of the config. The call
    that is timed comes from the workload that the settings name. A cell that does not fit into
    memory or time is a row with that status; any other error is raised.
    """
    parameters = {"model": model, "settings": settings}
    machine.set_up(settings["device"], settings["threads"])
    row = {
        "experiment": experiment,
        **cell,
        "architecture": model["architecture"],
        "status": "ok",
        "flags": [],
        **{key: settings[key] for key in ("workload", "batch_size", "d_model", "mode", "calls")},
        **machine.describe(settings["device"], parameters),
    }
    if settings["device"] == "cpu":
        machine.limit_memory(settings["memory_limit_mb"])
    torch.manual_seed(derive(settings["base_seed"], experiment, *cell.values()))
    with machine.watch_load() as load:
        try:
            with time_limit(settings["time_limit_s"]):
                row |= timed_columns(cell["seq_len"], model, settings)
        except OverBudget as error:
            row |= {"status": "over budget", "error": str(error)}
        except (MemoryError, RuntimeError) as error:
            if not machine.is_out_of_memory(error):
                raise
            row |= {"status": "out of memory", "error": str(error).split("\n")[0]}
    row |= load
    if load["busy_cores"] > machine.BUSY_CORES:
        row["flags"] = [*row["flags"], "busy machine"]
    return row


def timed_columns(seq_len, model, settings):
    """Everything that a cell with status ok holds."""
    device = settings["device"]
    workload = importlib.import_module(f"workflow.seqbench.workloads.{settings['workload']}")
    module, call, tokens, flops = workload.prepare(model, settings, seq_len, device)
    assert module.training == (settings["mode"] == "train")
    calibrate = machine.calibration_kernel(device)
    synchronize = machine.synchronizer(device)
    if settings["calls"] == "cold":
        columns = sampling.cold(call, calibrate, synchronize)
        time_s = columns["cold_s"]
    else:
        columns = sampling.sample(call, settings, calibrate, synchronize)
        time_s = float(np.median(columns["samples_s"]))
    added, peak = machine.peak_memory(call, device)
    if not torch.isfinite(call()).all():
        raise ValueError("the timed call returns values that are not finite")
    return columns | {
        "time_s": time_s,
        "call_memory_bytes": added,
        "peak_memory_bytes": peak,
        "parameters": models.parameters(module),
        "tokens": tokens,
        "flops": flops,
    }


@contextmanager
def time_limit(seconds):
    """Raise OverBudget in the block after so many seconds, as soon as the running operation ends."""

    def stop(signum, frame):
        raise OverBudget(f"the cell was not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
