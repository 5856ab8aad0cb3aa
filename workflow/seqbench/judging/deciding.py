"""How many more runs would decide a finding, with a power of 80 %."""

import math

import numpy as np
import scipy

from workflow.seqbench.results.statistics import MIN_RUNS, binomial_interval, t_quantile

POWER = 0.8  # share of repetitions in which so many runs would decide
MAX_RUNS = 200  # nobody runs more; what needs more is too near its threshold to be decided


def what_would_decide(estimate, accepted, confidence):
    """What would take the estimate's interval clear of the edges of `accepted`, in words.

    It takes the estimate and its spread for the truth, and asks for the number of runs at which the
    interval is clear of the edges in 80 % of repetitions.
    """
    edges = [edge for edge in accepted if math.isfinite(edge)]
    if estimate.scale == "share":
        edges = [edge for edge in edges if 0 < edge < 1]
        if "unknown" in estimate.method:
            return "longer trainings (steps, max_seconds)"
        return share_runs(estimate, edges, confidence)
    if math.isnan(estimate.value):
        return estimate.note or estimate.method
    if estimate.n < MIN_RUNS:
        return f"{MIN_RUNS} runs at least"
    if math.isnan(estimate.low):
        return estimate.method
    if not estimate.scale:
        return "more runs"
    scale = np.log if estimate.scale == "log" else np.asarray
    value, low, high = (float(scale(x)) for x in estimate[:3])
    edges = [float(scale(edge)) for edge in edges if estimate.scale != "log" or edge > 0]
    if not edges:
        return ""
    deviation = (high - low) / 2 * math.sqrt(estimate.n)
    deviation /= t_quantile(confidence, estimate.n)
    runs = np.arange(estimate.n + 1, MAX_RUNS + 1)
    quantile = t_quantile(confidence, runs)
    # The interval is clear of an edge where a t statistic with this shift passes its quantile; of a
    # range's two edges it misses one or the other, so that the chances of missing add up.
    below, above = ([e for e in edges if e < value], [e for e in edges if e >= value])
    missed = sum(
        scipy.stats.nct.cdf(quantile, runs - 1, abs(value - edge) / deviation * np.sqrt(runs))
        for edge in (*below[-1:], *above[:1])
    )
    power = 1 - missed
    return enough(runs[power >= POWER])


def share_runs(estimate, edges, confidence):
    """Runs at which the exact interval of such a share is clear of the edges."""
    for n in range(estimate.n + 1, MAX_RUNS + 1):
        low, high = binomial_interval(np.arange(n + 1), n, confidence)
        clear = ~np.any([(low <= edge) & (edge <= high) for edge in edges], axis=0)
        if scipy.stats.binom.pmf(np.flatnonzero(clear), n, estimate.value).sum() >= POWER:
            return enough([n])
    return enough([])


def enough(runs):
    return f"about {runs[0]} runs" if len(runs) else f"more runs than {MAX_RUNS}"
