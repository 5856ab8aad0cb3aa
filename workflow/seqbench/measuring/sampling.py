"""How long calls take, timed in turns within one process.

What slows a small machine down comes and goes within seconds, so times taken one after the other
do not compare. Here every round times each call once, in a slice of a few milliseconds and in
random order: what lasts longer than a round meets all of its calls and cancels in their ratio
(duet benchmarking: Bulej et al. 2020; random interleaving: google/benchmark). Every sample is
kept, outliers too.
"""

import gc
import math
import time
from functools import partial
from typing import NamedTuple

import numpy as np


class Samples(NamedTuple):
    """What `alternate` returns; each dict has the names of the calls as keys."""

    seconds: dict  # seconds a call, a list with an entry a round: entries i are of the same round
    repeats: dict  # calls that a slice repeats
    faults: dict  # page faults a call, median of the slices
    waited: float  # share of the slices' wall time that the clock did not count
    warmup_calls: int  # turns of the warm-up
    warmup_s: float  # their wall time
    sampling_s: float  # wall time of the rounds
    stop_reason: str
    half_width: float  # of the interval of what the sampling was to settle


def alternate(
    calls, settings, rng, clock=time.perf_counter, synchronize=lambda: None, faults=lambda: 0
):
    """Time `calls`, a dict of functions without arguments, in turns: a warm-up, then rounds.

    settings: warmup_calls (of each) and warmup_s (of all), both at least; sample_s, which a slice
    lasts at least; target_half_width, min_samples, max_samples, max_seconds: when the rounds end.
    They are to settle the ratio of the first two calls, or the time of the first if it is alone,
    on the log scale. `rng` orders each round; `clock()` and `faults()` give the seconds and the
    page faults that count, both so far.
    """

    def timed(call, repeats):
        """Seconds by the clock, seconds on the wall and page faults of so many calls."""
        synchronize()
        faulted, wall, start = faults(), time.perf_counter(), clock()
        for _ in range(repeats):
            output = call()
        synchronize()
        elapsed = clock() - start, time.perf_counter() - wall, faults() - faulted
        del output
        return elapsed

    enabled = gc.isenabled()
    gc.disable()
    try:
        warmup_calls, warmup_s, fastest = warm_up(calls, settings, timed)
        repeats = {
            name: slice_length(partial(timed, call), fastest[name], settings["sample_s"])
            for name, call in calls.items()
        }
        slices, seconds = {name: [] for name in calls}, {name: [] for name in calls}
        wall, begin, stop = time.perf_counter(), clock(), ""
        while not stop:
            for name in rng.permutation(list(calls)):
                if repeats[name] > 1:  # the others have pushed its data out of the caches
                    calls[name]()
                slices[name].append(timed(calls[name], repeats[name]))
                seconds[name].append(slices[name][-1][0] / repeats[name])
            if (rounds := len(seconds[name])) >= settings["min_samples"]:
                width = half_width(log_ratios(*list(seconds.values())[:2]))
                stop = reason(settings, rounds, width, clock() - begin)
        sampling_s = time.perf_counter() - wall
    finally:
        if enabled:
            gc.enable()
    counted, passed, _ = np.sum(list(slices.values()), axis=(0, 1))
    return Samples(
        seconds=seconds,
        repeats=repeats,
        faults={name: float(np.median(slices[name], axis=0)[2]) / repeats[name] for name in calls},
        waited=float(1 - counted / passed),
        warmup_calls=warmup_calls,
        warmup_s=warmup_s,
        sampling_s=sampling_s,
        stop_reason=stop,
        half_width=width,
    )


def warm_up(calls, settings, timed):
    """Turns of slices of each call until all are warm: turns, seconds, fastest call of each.

    All by the wall. A call shorter than such a slice is made twice at least, so that the fastest
    found the caches warm.
    """
    fastest, turns, seconds = dict.fromkeys(calls, math.inf), 0, 0.0
    begin = time.perf_counter()
    while turns < max(1, settings["warmup_calls"]) or seconds < settings["warmup_s"]:
        for name, call in calls.items():
            slice_s = 0.0
            while slice_s < 2 * settings["sample_s"]:
                elapsed = timed(call, 1)[1]
                slice_s, fastest[name] = slice_s + elapsed, min(fastest[name], elapsed)
        turns, seconds = turns + 1, time.perf_counter() - begin
    return turns, seconds, fastest


def slice_length(timed, fastest, sample_s):
    """Calls that last `sample_s` at least: by the fastest, and tried, as a part of the warm-up."""
    count = math.ceil(1.1 * sample_s / fastest)
    while count > 1 and (elapsed := timed(count)[1]) < sample_s:
        count = math.ceil(1.2 * count * sample_s / elapsed)
    return count


def log_ratios(first, second=None):
    """ln(first / second), or ln(first) where it is alone: one entry a round."""
    return np.log(first) - (0 if second is None else np.log(second))


def speed_change(seconds):
    """How much slower the second half of the rounds was than the first, all calls taken together.

    `seconds` as in `Samples`. The change of ln of a round's geometric mean: below 0 where the
    machine became faster. NaN for a single round.
    """
    rounds = np.log(list(seconds.values())).mean(axis=0)
    first, second = np.array_split(rounds, 2)
    return float(np.median(second) - np.median(first)) if len(second) else math.nan


def half_width(values):
    """Half-width of the 95 % interval of the mean of two values or more, taken as normal.

    It decides when to stop, and is no interval of the cell, which is taken over processes.
    """
    return 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def reason(settings, rounds, width, seconds):
    """Why sampling ends after so many rounds and seconds, or "" while it goes on."""
    if width <= settings["target_half_width"]:
        return "interval narrow enough"
    if rounds >= settings["max_samples"]:
        return "max_samples"
    return "max_seconds" if seconds >= settings["max_seconds"] else ""


def cold(call, synchronize=lambda: None):
    """(seconds of the very first call, by the clock on the wall, and what it returned)."""
    synchronize()
    start = time.perf_counter()
    output = call()
    synchronize()
    return time.perf_counter() - start, output
