"""Intervals over processes or seeds, never over samples within one."""

import math

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def median_interval(values, confidence=CONFIDENCE):
    """Median of positive values with an interval: (median, low, high, name of the method).

    From order statistics where n allows it (n >= 6 at 95 %; Hahn & Meeker 1991, section 5.2),
    else a t-interval on logs (n >= 3), which assumes that the logs are normal. Below that the
    bounds are NaN: there are not enough runs to say.
    """
    values = np.sort(np.asarray(values, dtype=float))
    n = len(values)
    if n == 0:
        return math.nan, math.nan, math.nan, "not enough runs (n = 0)"
    median = float(np.median(values))
    rank = int(stats.binom.ppf((1 - confidence) / 2, n, 0.5))
    # The interval [x(rank), x(n + 1 - rank)] leaves out each tail with P(Bin(n, 1/2) < rank).
    if rank >= 1:
        return median, float(values[rank - 1]), float(values[n - rank]), "order statistics"
    if n >= 3 and values[0] > 0:
        logs = np.log(values)
        half = stats.t.ppf((1 + confidence) / 2, n - 1) * logs.std(ddof=1) / math.sqrt(n)
        center = logs.mean()
        return median, math.exp(center - half), math.exp(center + half), "t on logs"
    return median, math.nan, math.nan, f"not enough runs (n = {n})"


def binomial_interval(successes, n, confidence=CONFIDENCE):
    """Exact interval of a success rate (Clopper & Pearson 1934): (low, high)."""
    if n == 0:
        return math.nan, math.nan
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def censored_median(times):
    """Median of times to an event where a run that never got there counts as infinity.

    `times` holds NaN for such runs. Infinity means that half of the runs or more did not get
    there within their budget.
    """
    times = np.asarray(times, dtype=float)
    if len(times) == 0:
        return math.nan
    return float(np.median(np.where(np.isnan(times), math.inf, times)))
