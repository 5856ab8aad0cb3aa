"""Statistics: intervals, ratios, slopes, crossovers, time to solve, spread.

The unit of replication is a process (timing) or a seed (recall). No interval here takes samples
of one process, or lengths, for repetitions: that would pass spread between processes off as
precision (Kalibera & Jones 2013; Barrett et al. 2017). Times come as arrays, or as matrices of
shape (process, length) whose row i is replicate i. NaN stands for a run without a time, and a
replicate with a NaN is left out whole: pass only lengths that every model concerned completed.

Intervals are t-intervals over processes, since a percentile bootstrap of six is too narrow: for
the slopes below it covered the truth in 79 - 90 % of simulated runs where 95 % was asked. Too
little data gives NaN for bounds and says "not enough runs". The coverage that a docstring states
was measured by the simulations in tests/test_statistics.py.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy  # whose parts load when they are first used: `stats` takes a second
from scipy import special

CONFIDENCE = 0.95
MIN_RUNS = 3  # with two, a t-interval reaches nine standard deviations to either side


def not_enough(n, value=math.nan):
    """A value, if any, without an interval: (value, NaN, NaN, why)."""
    return float(value), math.nan, math.nan, f"not enough runs (n = {n})"


def median_interval(values, confidence=CONFIDENCE, share=False):
    """Median of positive values with an interval: (median, low, high, name of the method).

    From order statistics where n allows it (n >= 6 at 95 %; Hahn & Meeker 1991, section 5.2),
    else a t-interval on logs (n >= 3), which assumes that the logs are normal. Below that the
    bounds are NaN: there are not enough runs to say.

    share: values are from 0 to 1, both included. The t-interval is then one on the values, clipped to
    0 and 1; where all runs are alike it is a point, which the method says. Coverage at n = 3 to 5:
    0.93 - 0.96 of shares that gather somewhere, also near 0 or 1; 0.89 - 0.92 of those at both ends.
    """
    values = np.sort(np.asarray(values, dtype=float))
    n = len(values)
    if n == 0:
        return not_enough(0)
    median = float(np.median(values))
    rank = tail_rank(n, confidence)
    # The interval [x(rank), x(n + 1 - rank)] leaves out each tail with P(Bin(n, 1/2) < rank).
    if rank >= 1:
        return median, float(values[rank - 1]), float(values[n - rank]), "order statistics"
    if n >= MIN_RUNS and share:
        low, high = np.clip(t_interval(values, confidence), 0, 1)
        method = "t, clipped to 0 and 1" if values[0] < values[-1] else "all runs alike"
        return median, float(low), float(high), method
    if n >= MIN_RUNS and values[0] > 0 and values[-1] < math.inf:
        low, high = np.exp(t_interval(np.log(values), confidence))
        return median, float(low), float(high), "t on logs"
    return not_enough(n, median)


def binomial_interval(successes, n, confidence=CONFIDENCE):
    """Exact interval of a success rate (Clopper & Pearson 1934): (low, high). Arrays work too."""
    k = np.asarray(successes)
    if n == 0:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low = np.where(k > 0, special.betaincinv(k, n - k + 1, tail), 0.0)
    high = np.where(k < n, special.betaincinv(k + 1, n - k, 1 - tail), 1.0)
    return (low, high) if k.ndim else (float(low), float(high))


def tail_rank(n, confidence):
    """Rank of the order statistic of n runs below which the median lies by chance alone; 0: none."""
    return int(np.sum(special.bdtr(np.arange(n + 1), n, 0.5) < (1 - confidence) / 2))


def t_quantile(confidence, n):
    """Half-width of a t-interval over n runs, in standard errors."""
    return special.stdtrit(np.subtract(n, 1), (1 + confidence) / 2)


def t_interval(values, confidence=CONFIDENCE):
    """Bounds of the mean over the first axis: (low, high)."""
    n = len(values)
    half = t_quantile(confidence, n) * np.std(values, axis=0, ddof=1) / math.sqrt(n)
    return np.mean(values, axis=0) - half, np.mean(values, axis=0) + half


def mean_interval(values, confidence):
    """Mean over processes with its t-interval: (mean, low, high, method)."""
    if len(values) < MIN_RUNS:
        return not_enough(len(values), np.mean(values) if len(values) else math.nan)
    return float(np.mean(values)), *map(float, t_interval(values, confidence)), "t over processes"


def jackknife_interval(value, left_out, confidence=CONFIDENCE):
    """Interval of a positive quantity of all processes: (value, low, high, method).

    left_out: the same quantity without one process each (Tukey 1958), on logs. For what has no value
    for one process, such as a fit to means over processes. Coverage for the length at which a law's
    quadratic term overtakes: 0.95 - 0.96, 3 and 6 processes.
    """
    n, values = len(left_out), np.array([value, *left_out], dtype=float)
    if n < MIN_RUNS:
        return not_enough(n, value)
    if not (np.isfinite(values) & (values > 0)).all():
        return float(value), math.nan, math.nan, "no interval, one process decides if it is there"
    logs = np.log(values)
    error = math.sqrt((n - 1) / n * ((logs[1:] - logs[1:].mean()) ** 2).sum())
    half = t_quantile(confidence, n) * error
    low, high = np.exp([logs[0] - half, logs[0] + half])
    return float(value), float(low), float(high), "jackknife, t on logs"


def log_ratio(a, b, paired=True, confidence=CONFIDENCE):
    """How many times b's time a takes: (ratio, low, high, method). `a`, `b`: a time a process.

    The ratio is one of geometric means, which a t-interval on logs is centred on; it may differ a
    little from the quotient of two medians.

    paired: one process measured replicate i of both models in turns. Drift of the machine then
    cancels; without drift, pairing costs little (an interval 3 - 15 % wider at six processes).
    paired=False (Welch 1947) is for values of different processes. Coverage at n = 3, 6 and 10:
    paired 0.94 - 0.96; Welch 0.93 - 0.96, and 0.99 where there was a drift to share.
    """
    a, b = np.log(np.asarray(a, dtype=float)), np.log(np.asarray(b, dtype=float))
    if paired and a.shape != b.shape:
        raise ValueError(f"no pairs: {a.size} runs against {b.size}")
    missing = [np.isnan(a - b)] * 2 if paired else [np.isnan(a), np.isnan(b)]
    a, b = a[~missing[0]], b[~missing[1]]
    n = min(len(a), len(b))
    ratio = math.exp(a.mean() - b.mean()) if n else math.nan
    if n < MIN_RUNS:
        return not_enough(n, ratio)
    if paired:
        low, high = t_interval(a - b, confidence)
    else:
        low, high = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    method = "paired t on logs" if paired else "Welch t on logs"
    return ratio, math.exp(low), math.exp(high), method


def classify_ratio(low, high, margin=0.05):
    """Verdict on a ratio of times: faster, slower, equal, inconclusive or not enough runs.

    A difference below `margin` is of no interest. "faster" and "slower" therefore need an
    interval clear of the band from 1 / (1 + margin) to 1 + margin, which mirrors itself when the
    models are exchanged. An interval inside the band shows them to be equal for our purposes
    (Schuirmann 1987: two one-sided tests, here at 2.5 % each). One that meets an edge of the band
    is inconclusive, even if it excludes 1.
    """
    if math.isnan(low) or math.isnan(high):
        return "not enough runs"
    if high < 1 / (1 + margin):
        return "faster"
    if low > 1 + margin:
        return "slower"
    return "equal" if 1 / (1 + margin) < low and high < 1 + margin else "inconclusive"


class Law(NamedTuple):
    """T(N) = a + bN + cN², fitted to one time per length."""

    a: float = math.nan  # s
    b: float = math.nan  # s per token
    c: float = math.nan  # s per token²
    overtakes_at: float = math.nan  # cN² > bN from here, maybe far off what was measured, or inf
    misfit: float = math.nan  # largest relative miss at a length; three lengths always fit: NaN


def fit_law(seq_len, time):
    """Fit one time per length with a, b, c >= 0 and least relative error; NaN below three lengths.

    Errors are relative since timing noise is: otherwise the longest length decides alone. Look at
    `misfit` before trusting it: a step in the times, such as an allocator's, follows no such law.
    """
    seq_len, time = np.asarray(seq_len, dtype=float), np.asarray(time, dtype=float)
    if len(np.unique(seq_len)) < 3 or np.isnan(time).any():
        return Law()
    powers = seq_len[:, None] ** np.arange(3)
    unit = seq_len.max() ** np.arange(3)  # brings the columns to one size
    scaled, _ = scipy.optimize.nnls(powers / unit / time[:, None], np.ones(len(time)))
    a, b, c = coefficients = scaled / unit
    overtakes_at = b / c if c > 0 else math.inf
    misfit = np.abs(powers @ coefficients / time - 1).max() if len(time) > 3 else math.nan
    return Law(*map(float, (a, b, c, overtakes_at, misfit)))


def slope_interval(seq_len, values, confidence=CONFIDENCE):
    """Slope d ln y / d ln N over the longest lengths: (slope, low, high, method).

    `values`: a matrix (process, length). Each process gives one least-squares slope of the logs over
    the lengths from a sixth of the longest on, and the interval is a t-interval over processes: no
    law is assumed, so none can be violated, and nothing is clipped. 1 is linear, 2 quadratic. It is
    the mean slope of that range: where the curve bends it lies between the slopes at its ends.
    Coverage for 3 and 6 processes on power laws: 0.94 - 0.96.
    """
    seq_len = np.asarray(seq_len, dtype=float)
    logs = np.log(np.asarray(values, dtype=float))
    logs = logs[~np.isnan(logs).any(axis=1)]
    far = seq_len >= seq_len.max(initial=0) / 6
    if far.sum() < 2:
        return math.nan, math.nan, math.nan, "not enough lengths"
    x = np.log(seq_len[far]) - np.log(seq_len[far]).mean()
    return mean_interval(logs[:, far] @ x / (x @ x), confidence)


def doubling_slope(ratios, confidence=CONFIDENCE):
    """Mean of log2(T(N) / T(N / 2)) over the lengths: (slope, low, high, method).

    `ratios`: a matrix (process, length), each entry measured within one process, so that rows may be
    made of any processes. A t-interval over rows; no law is assumed. Coverage as `slope_interval`.
    """
    return mean_interval(np.log2(np.asarray(ratios, dtype=float)).mean(axis=1), confidence)


def crossover(seq_len, a, b, confidence=CONFIDENCE):
    """Lengths at which two models take the same time: ([(N, low, high), ...], method).

    `a`, `b`: matrices (process, length), paired by process; lengths in ascending order. The log
    of the ratio is interpolated over log N, never beyond the measured lengths, and every root is
    reported. Its interval is made of the lengths around it at which the ratio's t-interval
    contains 1 (as in Fieller 1954), to 1/2000 of the range; low 0 or high inf: nothing in range
    bounds it on that side. Without a root, the method says whether the data exclude one.
    Coverage at n = 6: 0.95. Interpolation adds an error of its own, 2 % of N at our lengths.
    """
    x = np.log(np.asarray(seq_len, dtype=float))
    logs = np.log(np.asarray(a, dtype=float)) - np.log(np.asarray(b, dtype=float))
    logs = logs[~np.isnan(logs).any(axis=1)]
    if len(x) < 2:
        return [], "not enough lengths"
    if len(logs) == 0:
        return [], not_enough(0)[-1]
    y = logs.mean(axis=0)
    i = np.flatnonzero(y[:-1] * y[1:] < 0)
    between = x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])
    roots = np.sort(np.append(between, x[y == 0]))
    if len(logs) < MIN_RUNS:
        unknown = [not_enough(len(logs), math.exp(root)) for root in roots]
        return [root[:3] for root in unknown], not_enough(len(logs))[-1]
    grid = np.linspace(x[0], x[-1], 2001)
    low, high = t_interval([np.interp(grid, x, row) for row in logs], confidence)
    differs = grid[(low > 0) | (high < 0)]
    if len(roots) == 0:
        excluded = len(differs) == len(grid)
        return [], "no crossover in range" + ("" if excluded else ", but not excluded")
    edges = np.concatenate([[-math.inf], differs, [math.inf]])
    after = np.searchsorted(edges, roots)
    bounds = np.exp(np.stack([roots, edges[after - 1], edges[after]], axis=1))
    return [tuple(row) for row in bounds.tolist()], "t on logs, inverted"


def survival_curve(times, limits):
    """Share still unsolved by Kaplan & Meier (1958): (steps or seconds, share).

    times: NaN for a run that was not solved; limits: where each run ended, or one budget for all.
    A run that diverged would never have solved: give it the full budget. The share solved within
    a budget common to all runs has its interval from `binomial_interval`.
    """
    times = np.asarray(times, dtype=float)
    limits = np.broadcast_to(np.asarray(limits, dtype=float), times.shape)
    solved = ~np.isnan(times)
    censored = scipy.stats.CensoredData(uncensored=times[solved], right=limits[~solved])
    curve = scipy.stats.ecdf(censored).sf
    return curve.quantiles, curve.probabilities


def median_time_to_solve(times, limits, confidence=CONFIDENCE):
    """Kaplan-Meier median with an interval: (median, low, high, method); infinity is allowed.

    Arguments as in `survival_curve`. The bounds are order statistics in which an unsolved run
    counts as solved where it ended (low) or never (high): valid whatever the distribution and
    whatever ended the runs. Five seeds reach 93.8 %, and the method says so. Coverage: 0.94
    (n = 5), 0.97 (6), 0.98 (10), as theory has it; early ends only raise it.
    """
    times = np.asarray(times, dtype=float)
    n = len(times)
    if n == 0:
        return not_enough(n)
    steps, share = survival_curve(times, limits)
    reached, passed = steps[share < 0.5 + 1e-9], steps[share < 0.5 - 1e-9]
    median = float(reached[0] + passed[0]) / 2 if len(passed) else math.inf
    rank = max(1, tail_rank(n, confidence))
    covers = 1 - 2 * special.bdtr(rank - 1, n, 0.5)
    if covers < confidence - 0.02:
        return not_enough(n, median)
    low = np.sort(np.where(np.isnan(times), limits, times))[rank - 1]
    high = np.sort(np.where(np.isnan(times), math.inf, times))[n - rank]
    level = "" if covers >= confidence else f" ({100 * covers:.1f} %)"
    return median, float(low), float(high), "order statistics" + level


def compare_rates(solved_a, n_a, solved_b, n_b):
    """Difference of two success rates with its exact p value (Fisher 1935): (a - b, p).

    Conservative: at five runs against five, p <= 0.05 is a false alarm 2.1 % of the time at most,
    and takes at least 5 against 1. Three against three can never reach it.
    """
    if n_a == 0 or n_b == 0:
        return math.nan, math.nan
    table = [[solved_a, n_a - solved_a], [solved_b, n_b - solved_b]]
    return solved_a / n_a - solved_b / n_b, float(scipy.stats.fisher_exact(table).pvalue)


def variance_split(samples):
    """Relative spread between processes and within one: (between, within).

    samples: an array of times for each process. Standard deviations of logs, so 0.05 is 5 %, by
    one-way random effects (Searle, Casella & McCulloch 1992, section 3.6). Where the estimate of
    the variance between processes is negative, it counts as 0.
    """
    logs = [np.log(np.asarray(process, dtype=float)) for process in samples]
    sizes, means = np.array([len(x) for x in logs]), np.array([x.mean() for x in logs])
    k, total = len(logs), sizes.sum()
    if k < 2 or total <= k:
        return math.nan, math.nan
    within = sum(((x - x.mean()) ** 2).sum() for x in logs) / (total - k)
    grand = (sizes * means).sum() / total
    across = (sizes * (means - grand) ** 2).sum() / (k - 1)
    size = (total - (sizes**2).sum() / total) / (k - 1)
    return math.sqrt(max(0.0, (across - within) / size)), math.sqrt(within)
