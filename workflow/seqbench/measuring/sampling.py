"""How long a call takes: cold, warmed up, sampled until the interval is narrow enough.

The rules are those of the field's benchmark tools (torch.utils.benchmark, pyperf, asv) and of
Georges et al. 2007: what is stored is every sample, and outliers are kept.
"""

import gc
import math
import time

import numpy as np

STEADY = 0.05  # first and second half of the samples agree within this, or the cell is flagged
DRIFT = 0.05  # the calibration kernel stays within this, or the cell is flagged
RECALIBRATE_S = 0.5  # seconds of sampling between two calibrations


def sample(call, settings, calibrate, synchronize=lambda: None):
    """Time `call()`, which takes no arguments and returns what it computed.

    settings: warmup_calls, warmup_s; sample_s (a sample repeats the call until it lasts this
    long); target_half_width (relative; the reason to stop), min_samples, max_samples,
    max_seconds. `calibrate()` returns the seconds of a fixed kernel.

    Returns a dict: cold_s, warmup_calls, warmup_s, samples_s (seconds a call, one entry a
    sample), calls_per_sample, stop_reason, half_width (relative, within this process),
    steady_change, calibrations_s, calibration_s, calibration_drift, flags.
    """

    def timed(calls):
        synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            output = call()
        synchronize()
        elapsed = time.perf_counter() - start
        del output
        return elapsed

    cold_s = timed(1)
    calibrations = [calibrate()]

    enabled = gc.isenabled()
    gc.disable()
    try:
        warmup_calls, warmup_s, fastest = 0, 0.0, cold_s
        while warmup_calls < settings["warmup_calls"] or warmup_s < settings["warmup_s"]:
            elapsed = timed(1)
            warmup_calls, warmup_s = warmup_calls + 1, warmup_s + elapsed
            fastest = min(fastest, elapsed)
        # By the fastest call, and tried as the last part of the warm-up: no sample is to be too
        # short for the clock.
        calls = math.ceil(1.1 * settings["sample_s"] / fastest)
        while calls > 1 and (elapsed := timed(calls)) < settings["sample_s"]:
            calls = math.ceil(1.2 * calls * settings["sample_s"] / elapsed)

        samples, stop, half_width = [], "", math.nan
        begin = calibrated = time.perf_counter()
        while not stop:
            samples.append(timed(calls) / calls)
            now = time.perf_counter()
            if now - calibrated > RECALIBRATE_S:
                calibrations.append(calibrate())
                timed(1)  # the kernel has pushed the model out of the caches
                calibrated = time.perf_counter()
            if len(samples) >= settings["min_samples"]:
                half_width = relative_half_width(samples)
                if half_width <= settings["target_half_width"]:
                    stop = "interval narrow enough"
            if not stop and len(samples) >= settings["max_samples"]:
                stop = "max_samples"
            if not stop and now - begin >= settings["max_seconds"]:
                stop = "max_seconds"
    finally:
        if enabled:
            gc.enable()

    calibrations.append(calibrate())
    half = len(samples) // 2
    change = np.median(samples[half:]) / np.median(samples[:half]) - 1 if half else math.nan
    drift = max(calibrations) / min(calibrations) - 1
    flags = []
    if abs(change) > STEADY:
        flags.append("not steady")
    if drift > DRIFT:
        flags.append("calibration drift")
    if not half_width <= settings["target_half_width"]:
        flags.append("interval wide")
    return {
        "cold_s": cold_s,
        "warmup_calls": warmup_calls,
        "warmup_s": warmup_s,
        "samples_s": samples,
        "calls_per_sample": calls,
        "stop_reason": stop,
        "half_width": float(half_width),
        "steady_change": float(change),
        "calibrations_s": calibrations,
        "calibration_s": float(np.median(calibrations)),
        "calibration_drift": drift,
        "flags": flags,
    }


def relative_half_width(samples):
    """Half-width over median of the median's 95 % interval from order statistics.

    With the normal approximation of the ranks (Conover 1999, section 3.2): it decides when to
    stop, and is no interval of the cell, which is taken over processes.
    """
    ordered, n = np.sort(samples), len(samples)
    spread = 0.98 * math.sqrt(n)
    low = max(0, math.floor((n - 1) / 2 - spread))
    high = min(n - 1, math.ceil((n - 1) / 2 + spread))
    return float((ordered[high] - ordered[low]) / 2 / np.median(ordered))


def cold(call, calibrate, synchronize=lambda: None):
    """One call and nothing else, as the original notebook did; the same dict, without samples."""
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    elapsed = time.perf_counter() - start
    calibration_s = calibrate()
    return {
        "cold_s": elapsed,
        "warmup_calls": 0,
        "warmup_s": 0.0,
        "samples_s": [],
        "calls_per_sample": 1,
        "stop_reason": "cold call only",
        "half_width": math.nan,
        "steady_change": math.nan,
        "calibrations_s": [calibration_s],
        "calibration_s": calibration_s,
        "calibration_drift": 0.0,
        "flags": [],
    }
