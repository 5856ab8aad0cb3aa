"""Measure one timing cell in this process and return its shard row."""

import importlib
import signal
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

from workflow.seqbench.log import UserError
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.measuring.seeds import derive
from workflow.seqbench.models import parameters as count

# Beyond these a cell is flagged; `flags_of` says what each does to a result.
WAITED, BUSY_CORES, SPEED_CHANGE = 0.25, 0.5, 0.25


class OverBudget(Exception):
    """What ran took longer than it was given."""


def measure_cell(experiment, cell, model, reference, settings, ended=None):
    """Row of one cell; `cell` holds model (its name), seq_len and seed.

    model: architecture and options. reference: {"name", "entry"} of the model that the ratio is
    to, or None. settings: the experiment's section of the config. The call that is timed comes
    from the workload that the settings name. A cell that does not fit into memory or time is a row
    with that status; any other error is raised. ended: the status and error of a cell that was
    ended from outside, in place of measuring it.
    """
    start = time.perf_counter()
    malloc = machine.set_malloc(settings["malloc"], settings["device"])
    machine.set_up(settings["device"], settings["threads"])
    parameters = {"model": model, "reference": reference, "settings": settings}
    row = {
        "experiment": experiment,
        **cell,
        "architecture": model["architecture"],
        "status": "ok",
        "flags": [],
        **{key: settings[key] for key in ("workload", "batch_size", "d_model", "mode", "calls")},
        "reference": reference and reference["name"],
        **machine.describe(settings["device"], parameters),
        "node_shared": machine.node_shared(),
        "malloc": malloc,
        "pinned_to": machine.pin(settings["threads"], settings["device"]),
        "clock": machine.clock(settings["device"], settings["threads"]).__name__,
    }
    limit = machine.limited_ram(settings["ram_limit_mb"], settings["device"])
    stream = settings["base_seed"], experiment, *cell.values()
    torch.manual_seed(derive(*stream))
    rng = np.random.default_rng(derive(*stream, "order"))
    with machine.watch_load() as load, limit:
        row |= ended or timed_columns(cell["seq_len"], model, reference, settings, rng)
    row |= load
    return row | {"flags": flags_of(row), "cell_s": time.perf_counter() - start}


def flags_of(row):
    """Reasons to read the numbers of a row with care; measured with neighbours of known kinds.

    shared node: the cluster may run other jobs beside it, whether or not they were seen.
    busy core: others ran on the core meanwhile and emptied its caches. Below half of the time
    ratios moved by 2 % at most, from two thirds on by 5 to 10 %.
    busy machine: others ran beside it. One on the other core of two moved ratios by 3 %.
    unsteady: the machine's speed changed by a quarter or more, so that a median may lie that far
    from either speed; ratios do not feel it. Without a cause 1 cell in 50 changes as much.
    Spread of the calibration kernel, half-width and change of the ratio within a cell said
    nothing about how far its ratio was off.
    """
    flags = []
    if row.get("node_shared"):
        flags.append("shared node")
    if row.get("waited", 0) > WAITED:
        flags.append("busy core")
    if row["busy_cores"] > BUSY_CORES:
        flags.append("busy machine")
    if abs(row.get("speed_change", 0)) > SPEED_CHANGE:
        flags.append("unsteady")
    return flags


def timed_columns(seq_len, model, reference, settings, rng):
    """What the cell's calls took and needed; status and error alone where they do not fit.

    A partner that does not fit is left out, and so are both if nothing fits with them: the model's
    own times survive.
    """
    end = time.monotonic() + settings["time_limit_s"]

    def attempt(share, action, *arguments):
        """`fitting` in this share of the time that is left."""
        return fitting(share * (end - time.monotonic()), partial(action, *arguments))

    before, failed = attempt(1, calls_before, model, reference, settings, seq_len)
    first, failed = (None, failed) if failed else attempt(1, first_calls, model, settings, seq_len)
    if failed:
        return failed
    call, columns = first
    if settings["calls"] == "cold":
        return columns | before | cold_columns(columns["cold_s"], settings, rng)
    calls, absent = {"model": call}, []
    for name, entry, length in partners(model, reference, seq_len):
        first, failed = attempt(1 / 4, first_calls, entry, settings, length)
        if failed:
            absent.append(f"{name}: {failed['status']}")
        else:
            calls[name] = first[0]
    samples, failed = attempt(1 / 2, in_turns, calls, settings, rng)
    if failed and len(calls) > 1:
        calls, absent, first = {"model": call}, [f"together: {failed['status']}"], None
        samples, failed = attempt(1, in_turns, calls, settings, rng)
    if failed:
        return failed
    half_seq_len = seq_len // 2 if "half" in calls else None
    columns |= {"half_seq_len": half_seq_len, "unpaired": "; ".join(absent) or None}
    return columns | sample_columns(samples)


def calls_before(model, reference, settings, seq_len):
    """First calls that come before the cell's; columns: the reference's time at the cell's length.

    The notebook went through all lengths in order in one process, and timed a call of each model at
    each length. A cell of the reference itself repeats that model's part of it.
    """
    if settings["calls"] != "cold":
        return {}
    synchronize, other = machine.synchronizer(settings["device"]), None
    if reference and reference["entry"] != model:
        other = reference["entry"]
    for length in [*sorted(n for n in settings["called_before"] if n < seq_len), seq_len]:
        for entry in (other, model if length < seq_len else None):
            if entry:
                workload = prepare(entry, settings, length)
                seconds, output = sampling.cold(workload.call, synchronize)
                refuse_not_finite(output, entry)
                columns = {"reference_time_s": seconds if entry is other else None}
    return columns if other else {}


def prepare(model, settings, seq_len):
    """A new instance's call, as the workload that the settings name prepares it."""
    workload = importlib.import_module(f"workflow.seqbench.workloads.{settings['workload']}")
    return workload.prepare(model, settings, seq_len, settings["device"])


def partners(model, reference, seq_len):
    """(name, architecture and options, length) of what takes turns with the model."""
    if reference:
        yield "reference", reference["entry"], seq_len
    if seq_len > 1:
        yield "half", model, seq_len // 2


def first_calls(model, settings, seq_len):
    """A new instance's call, and columns: its size, its first call's time, its second's memory."""
    device = settings["device"]
    module, call, tokens, flops = prepare(model, settings, seq_len)
    assert module.training == (settings["mode"] == "train")
    cold_s, output = sampling.cold(call, machine.synchronizer(device))
    refuse_not_finite(output, model)
    added, peak = machine.peak_ram(call, device)
    return call, {
        "cold_s": cold_s,
        "call_ram_bytes": added,
        "peak_ram_bytes": peak,
        "parameters": count(module),
        "tokens": tokens,
        "flops": flops,
    }


def refuse_not_finite(output, model):
    """UserError where a model's output has NaN or infinity."""
    if not torch.isfinite(output).all():
        raise UserError(
            f"{model['architecture']} breaks the contract of a model: it returns values that are not"
            " finite"
        )


def in_turns(calls, settings, rng):
    """`sampling.alternate` of the calls and the calibration kernel, as this machine counts."""
    device, threads = settings["device"], settings["threads"]
    return sampling.alternate(
        calls | {"calibration": machine.calibration_kernel(device)},
        settings,
        rng,
        machine.clock(device, threads),
        machine.synchronizer(device),
        machine.page_faults,
    )


def sample_columns(samples):
    """Columns of one cell from the samples of its calls; a call that is not there has none."""
    columns = {
        "warmup_calls": samples.warmup_calls,
        "warmup_s": samples.warmup_s,
        "sampling_s": samples.sampling_s,
        "calls_per_sample": samples.repeats.get("model", 1),
        "page_faults": samples.faults.get("model"),
        "stop_reason": samples.stop_reason,
        "half_width": samples.half_width,
        "waited": samples.waited,
        "speed_change": sampling.speed_change(samples.seconds),
        "calibrations_s": samples.seconds["calibration"],
        "calibration_s": float(np.median(samples.seconds["calibration"])),
    }
    for name, prefix in {"model": "", "reference": "reference_", "half": "half_"}.items():
        if name in samples.seconds:
            columns[f"{prefix}samples_s"] = samples.seconds[name]
            columns[f"{prefix}time_s"] = float(np.median(samples.seconds[name]))
    return columns


def cold_columns(cold_s, settings, rng):
    """Columns of a cell that times its first call alone; only the calibration kernel has samples."""
    few = settings | {"min_samples": 5, "max_samples": 5}
    columns = sample_columns(in_turns({}, few, rng))
    return columns | {"time_s": cold_s, "samples_s": [], "stop_reason": "cold call only"}


def fitting(seconds, action):
    """(what `action()` returns, None), or (None, columns that say why it does not fit).

    It may not take more than so many seconds, nor more memory than there is. Other errors are
    raised.
    """
    try:
        with time_limit(seconds):
            return action(), None
    except OverBudget as error:
        return None, {"status": "over budget", "error": str(error)}
    except (MemoryError, RuntimeError) as error:
        if not machine.is_out_of_memory(error):
            raise
        return None, {"status": "out of memory", "error": str(error).split("\n")[0]}


@contextmanager
def time_limit(seconds):
    """Raise OverBudget in the block after so many seconds, as soon as the running operation ends."""

    def stop(signum, frame):
        raise OverBudget(f"not done after {seconds:.3g} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
