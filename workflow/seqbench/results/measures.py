"""Every quantity that is published, each with its one function.

A measure takes Selections (one per model that it speaks of), its own options and a confidence, and
returns an Estimate. Tables, figures, verdicts, the audit and comparisons of runs all call these, so
that no quantity can stand in two places with two values.
"""

import math
from typing import NamedTuple

import numpy as np

from workflow.seqbench.results import statistics
from workflow.seqbench.results.schemas import columns
from workflow.seqbench.results.statistics import CONFIDENCE, Law, binomial_interval, log_ratio

MISFIT = 0.1  # a fitted law that misses a length by more says nothing
LONGER = ("accuracy_2x", "accuracy_4x")
TAIL = 10  # steps whose mean counts as the training loss at a step; a single one is too noisy


class Estimate(NamedTuple):
    """A value with its interval, and what else a reader or a judge needs to know of it."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0  # processes or seeds
    method: str = ""  # how the interval was made, or why there is none
    scale: str = ""  # what it is symmetric on: log, linear, share (of n runs), or not known
    limit: float = math.nan  # an infinite value means more than this
    where: str = ""  # the lengths it speaks of, where it is not one
    note: str = ""

    @classmethod
    def of(cls, result, n, **about):
        """What a function of `statistics` returns, (value, low, high, method), of n runs."""
        *value, method = result
        return cls(*value, n, method, **about)


def median(a, of="time_s", confidence=CONFIDENCE):
    """Median of a column over processes or seeds.

    Of accuracies on longer sequences a note says why there are none where models cannot read these.
    """
    values = a.cells[of].dropna()
    errors = a.cells.get("accuracy_longer_error", values).dropna() if of in LONGER else ()
    if len(errors) and values.empty:
        return Estimate(note=f"cannot: {'; '.join(dict.fromkeys(errors))}")
    interval = statistics.median_interval(values, confidence, share=is_share(of))
    return Estimate.of(interval, len(values))


def is_share(column):
    """Whether shards.yaml limits a column to shares, from 0 to 1."""
    return any(columns(kind).get(column, ())[3:] == ("share",) for kind in ("timing", "training"))


def ratio(a, b, of="time_s", confidence=CONFIDENCE):
    """How many times b's value a has at one length. `of`: a column, or one for each.

    What one process measured in turns is a pair; values of different processes are not. Of first
    calls, of which a process has one and a disk may delay it, the median of the processes' ratios.
    A model that no process could run, for its memory or its time, is slower than one that could:
    infinite, or 0. A note says how many processes failed and are left out.
    """
    first, second, in_pairs = together(a, b, of)
    first, second = first.iloc[:, 0], second.iloc[:, 0]
    n = int((first + second).count()) if in_pairs else min(first.count(), second.count())
    failed = [s for side in (a, b) for s in side.cells.get("status", ()) if s != "ok"]
    note = f"{len(failed)} not completed: {', '.join(sorted(set(failed)))}" if failed else ""
    if not n:
        note = note or "no pair was completed"
        columns = of if isinstance(of, list) else [of, of]
        tried = min(len(side.cells) for side in (a, b))  # of its own, each alone or with partners
        ran = [side.cells[column].count() for side, column in zip((a, b), columns, strict=True)]
        if min(ran) == 0 and min(tried, max(ran)) >= statistics.MIN_RUNS:
            bound = 0.0 if ran[0] else math.inf
            return Estimate(bound, bound, bound, tried, "failed in each process", note=note)
    cold = all("calls" in side.cells and (side.cells["calls"] == "cold").all() for side in (a, b))
    if in_pairs and (cold or "cold_s" in of):
        ratios = (first / second).dropna()
        _, *bounds = statistics.median_interval(ratios, confidence)
        result = math.exp(np.log(ratios).median()), *bounds  # b over a is then its reciprocal
    else:
        result = log_ratio(first, second, in_pairs, confidence)
    return Estimate.of(result, n, scale="log", note=note)


def mean_ratio(a, b, of="time_s", confidence=CONFIDENCE):
    """`ratio` over all lengths that both completed: each process counts with its geometric mean."""
    first, second, in_pairs = together(a, b, of)
    means = (np.exp(np.log(matrix).mean(axis=1)) for matrix in (first, second))
    n = min(len(first), len(second)) if len(first.columns) else 0
    result = log_ratio(*means, in_pairs, confidence)
    return Estimate.of(result, n, scale="log", where=span(first.columns))


def crossing(a, b, of="time_s", confidence=CONFIDENCE):
    """The length at which a starts to take longer than b, or less; the first one in range.

    None of models that did not take turns: their processes are no pairs.
    """
    first, second, in_pairs = together(a, b, of)
    if not in_pairs:
        return Estimate(n=min(len(first), len(second)), method="no pairs")
    first, second = first.align(second, join="inner")
    roots, method = statistics.crossover(
        list(first.columns), first.to_numpy(), second.to_numpy(), confidence
    )
    root = roots[0] if roots else (math.nan,) * 3
    note = f"{len(roots)} crossings" if len(roots) > 1 else ""
    return Estimate(*root, len(first), method, where=span(first.columns), note=note)


def together(a, b, of):
    """Two matrices (process, length) whose quotient is a ratio, and whether their rows are pairs.

    Rows are pairs where one process measured both: two columns of the same cells, or a model and the
    reference that took turns with it. Times of two other models are taken relative to the reference
    that both had, or else to the calibration kernel: what slows a process down slows that too.
    """
    columns = of if isinstance(of, list) else [of, of]
    lengths = [set(side.cells["seq_len"]) for side in (a, b)]
    alike = not all(lengths) or lengths[0] & lengths[1]
    if columns == ["time_s", "time_s"]:
        if alike and b.model == a.reference:
            return matched(a.over("reference"), a.over("reference") ** 0, True)
        if alike and a.model == b.reference:
            return matched(b.over("reference") ** 0, b.over("reference"), True)
        if alike and a.reference and a.reference == b.reference:
            return matched(a.over("reference"), b.over("reference"), False)
        if all("time_calibrated" in side.cells for side in (a, b)):
            columns = ["time_calibrated"] * 2
    first, second = a.matrix(columns[0]), b.matrix(columns[1])
    return matched(first, second, bool(a.model == b.model and alike))


def matched(first, second, in_pairs):
    """The two matrices at the lengths that both completed, or at one length each."""
    if len(first.columns) == len(second.columns) == 1:
        return first, second.set_axis(first.columns, axis=1), in_pairs
    if in_pairs:  # a process counts where it completed both
        first, second = first.where(second.notna()), second.where(first.notna())
    first, second = completed(first), completed(second)
    common = first.columns.intersection(second.columns)
    return first[common], second[common], in_pairs


def completed(matrix):
    """The lengths that most processes completed, of the processes that completed all of these.

    So a process that failed deletes itself, and a length is deleted where it fails in most.
    """
    return matrix.loc[:, matrix.notna().mean() > 0.5].dropna()


def slope(a, of="time_s", confidence=CONFIDENCE):
    """d ln y / d ln N over the longest lengths that every process completed.

    Of times whose processes also timed half the length, the mean of log2(T(N) / T(N / 2)); half of
    an odd length is the whole number below.
    """
    values = a.matrix(of)
    values = completed(values.where(values > 0))
    lengths = [n for n in values.columns if n >= max(values.columns) / 6]
    if of == "time_s" and "half_time_s" in a.cells:
        doubled = completed(a.over("half")[lengths])
        if len(doubled.columns):
            doubled **= [1 / math.log2(n / (n // 2)) for n in doubled.columns]
            result = statistics.doubling_slope(doubled.to_numpy(), confidence)
            where = span([min(doubled.columns) // 2, max(doubled.columns)])
            return Estimate.of(result, len(doubled), scale="linear", where=where)
    result = statistics.slope_interval(list(values.columns), values.to_numpy(), confidence)
    return Estimate.of(result, len(values), scale="linear", where=span(lengths))


def law(a, of="time_s"):
    """a + bN + cN² fitted to the geometric means of the lengths that every process completed.

    Where it misses a length by more than MISFIT, or has no length left to miss, only the misfit.
    """
    fit = statistics.fit_law(*geometric_means(completed(a.matrix(of))))
    return fit if fit.misfit <= MISFIT else Law(misfit=fit.misfit)


def geometric_means(matrix):
    """Lengths, and the geometric mean over processes at each."""
    return list(matrix.columns), np.exp(np.log(matrix).mean()).to_numpy()


def overtakes(a, of="time_s", confidence=CONFIDENCE):
    """N from which the quadratic term of the law exceeds the linear one; none where it misfits."""
    fit, values = law(a, of), completed(a.matrix(of))
    if math.isnan(fit.a):
        why = f"a fitted law misses by {100 * fit.misfit:.0f} %"
        why = "below 4 lengths" if math.isnan(fit.misfit) else why
        return Estimate(n=len(values), method=why, note=why)
    without = [geometric_means(values.drop(seed)) for seed in values.index]
    left_out = [statistics.fit_law(*means).overtakes_at for means in without]
    result = statistics.jackknife_interval(fit.overtakes_at, left_out, confidence)
    return Estimate.of(result, len(values), scale="log")


def solved_share(a, by=math.inf, loose=False, confidence=CONFIDENCE):
    """Share of runs solved by a step, or within their budget; loose: by one evaluation that passes."""
    solved = a.cells["solved_step_loose" if loose else "solved_step"] <= by
    return share(solved, cut_short(a.cells, by) & ~solved, confidence)


def zero_loss_share(a, loss, by, confidence=CONFIDENCE):
    """Share of runs whose training loss, a mean of TAIL steps, falls below `loss` by a step."""
    wide = a.curves.pivot(index="step", columns="seed", values="train_loss")
    lowest = wide.rolling(TAIL).mean().loc[:by].min()
    reached = a.cells["seed"].map(lowest < loss).eq(True)
    ended = ~reached & (a.cells["steps"] < by) & (a.cells["status"] != "diverged")
    note = f"loss down to {lowest.median():.2f}"
    return share(reached, ended, confidence)._replace(note=note)


def distance_share(a, factor, confidence=CONFIDENCE):
    """Share of runs at the longest length solved in `factor` times the steps of the shortest, or less.

    The steps of the shortest are their median (`steps_to_solve`): runs at two lengths share neither
    data nor weights, so that none are pairs. A run cut short before it can be told is unknown.
    """
    near, far = a.cells["seq_len"].min(), a.cells["seq_len"].max()
    if near == far:
        return Estimate(method="not enough lengths", note="one length only")
    first, last = steps_to_solve(a.at(near)).value, a.at(far).cells
    steps = last["solved_step"]
    if math.isinf(first):
        note = f"the median run does not solve {near:,} tokens"
        return Estimate(n=len(last), method="unknown", where=span([near, far]), note=note)
    least = steps.fillna(censored_at(last))
    bound = "more than " if steps.fillna(math.inf).median() > least.median() else ""
    note = f"the median run takes {bound}{least.median() / first:.2g} times as many"
    estimate = share(steps / first <= factor, cut_short(last, factor * first), confidence)
    return estimate._replace(where=span([near, far]), note=note)


def gradient_predicts(a, vanished, confidence=CONFIDENCE):
    """Share of runs that are solved if the gradient arrives before training, and not if it does not.

    It arrives where the first position has more than `vanished` of the last one's.
    """
    arrives, solved = a.cells["gradient_share_initial"] > vanished, a.cells["solved_step"].notna()
    median_share = a.cells["gradient_share_initial"].median()
    note = f"{median_share:.0e} of the gradient, {solved.sum()} solved"
    return share(arrives == solved, cut_short(a.cells), confidence)._replace(note=note)


def separating_share(a, confidence=CONFIDENCE):
    """Share of the gradient before training above which runs are solved, in as many runs as may be.

    The lowest of the thresholds, half-way between two runs on logs, that are right of the most runs.
    It is chosen to fit the runs that it is tried on, and so has no interval.
    """
    known = a.cells[~cut_short(a.cells)].sort_values("gradient_share_initial")
    shares, solved = known["gradient_share_initial"].to_numpy(), known["solved_step"].notna()
    between = np.sqrt(shares[1:] * shares[:-1])
    right = [int(((shares > threshold) == solved).sum()) for threshold in between]
    if not right:
        return Estimate(n=len(known), method="not enough runs")
    where = span(sorted(set(known["seq_len"])))
    best, note = between[np.argmax(right)], f"right in {max(right)} of {len(known)}"
    return Estimate(best, n=len(known), method="chosen to fit, no interval", where=where, note=note)


def by_seed(a, b):
    """The cells of both, by the seeds that both have."""
    first, second = (side.cells.set_index("seed") for side in (a, b))
    return first.align(second, join="inner", axis=0)


def cut_short(cells, by=math.inf):
    """Which runs ended unsolved before a step, or before their budget: they may be either."""
    asked = cells["budget_steps"] if math.isinf(by) else by
    unsolved = cells["solved_step"].isna() & (cells["status"] != "diverged")
    return unsolved & (cells["steps"] < asked)


def censored_at(cells):
    """Steps that each run, if unsolved, is known to exceed: one out of time might have gone on."""
    # One that diverged would never have been solved.
    return cells["steps"].where(cells["status"] == "over budget", cells["budget_steps"])


def share(yes, unknown, confidence):
    """Share of runs, with an exact interval (Clopper & Pearson 1934) that holds the unknown as both."""
    n, count, either = len(yes), int((yes & ~unknown).sum()), int(unknown.sum())
    low = binomial_interval(count, n, confidence)[0]
    high = binomial_interval(count + either, n, confidence)[1]
    method = f"exact, {either} unknown" if either else "exact"
    return Estimate(count / n if n else math.nan, low, high, n, method, "share")


def steps_to_solve(a, confidence=CONFIDENCE):
    """Median steps to solve; unsolved runs are censored at their budget (Kaplan & Meier 1958)."""
    steps, limits = a.cells["solved_step"], censored_at(a.cells)
    result = statistics.median_time_to_solve(steps, limits, confidence)
    return Estimate.of(result, len(steps), limit=a.cells["budget_steps"].max())


def steps_ratio(a, b, confidence=CONFIDENCE):
    """How many times b's steps a takes until it is solved, seed by seed; the median over seeds.

    Where a seed is not solved by both, it is known to lie between two bounds: a run takes more
    steps than it was trained. The interval is that of the lower bounds below and of the upper above.
    """
    first, second = by_seed(a, b)
    steps = [side["solved_step"].astype(float) for side in (first, second)]
    if (n := len(first)) and all(known.notna().all() for known in steps):
        return Estimate.of(log_ratio(*steps, True, confidence), n, scale="log")
    least = steps[0].fillna(censored_at(first)) / steps[1].fillna(math.inf)
    most = steps[0].fillna(math.inf) / steps[1].fillna(censored_at(second))
    limit, low, _, _ = statistics.median_interval(least, confidence)
    value, _, high, method = statistics.median_interval(most, confidence)
    if math.isnan(low + high):  # too few for order statistics, and of bounds there is no t-interval
        _, low, high, method = statistics.not_enough(n)
    return Estimate(value, low, high, n, method, limit=limit)


def loss_at(a, step, confidence=CONFIDENCE):
    """Median training loss at a step, each a mean of the TAIL steps up to it.

    Of a run that was solved and ended before, the mean of its last steps; infinity for one that had
    diverged; no value where a run never came so far. One without curves has its final loss.
    """
    if "final_train_loss_nats" in a.cells:
        return Estimate(a.cells["final_train_loss_nats"].median(), n=len(a.cells), method="one run")
    early = a.curves[a.curves["step"] <= step]
    tails = early.groupby("seed")["train_loss"].apply(lambda x: x.tail(TAIL).mean(skipna=False))
    losses = a.cells["seed"].map(tails)
    losses = losses.where((a.cells["steps"] >= step) | a.cells["solved_step"].notna())
    losses = losses.mask((a.cells["status"] == "diverged") & (a.cells["steps"] <= step), math.inf)
    if losses.isna().any():
        return Estimate(n=len(losses), method="a run ended before")
    return Estimate.of(statistics.median_interval(losses, confidence), len(losses))


def margin_over_floor(a, first, confidence=CONFIDENCE):
    """Lowest mean loss of the first steps of any run, less the floor of models that count tokens."""
    early = a.curves[a.curves["step"] <= first]
    keys = ["model", "seq_len", "seed"]
    floors = a.cells.set_index(keys)["bag_of_tokens_loss_nats"]
    margins = (early.groupby(keys)["train_loss"].mean() - floors).dropna()
    model, seq_len, _ = margins.idxmin()
    note = f"least: {model}, {seq_len:,} tokens"
    return Estimate(*[margins.min()] * 3, len(margins), "every run", note=note)


def span(lengths):
    """ "500 to 3,000 tokens"."""
    lengths = list(lengths)
    return f"{min(lengths):,} to {max(lengths):,} tokens" if lengths else ""


MEASURES = {
    measure.__name__: measure
    for measure in (
        *(median, ratio, mean_ratio, crossing, slope, overtakes, solved_share, zero_loss_share),
        *(distance_share, gradient_predicts, separating_share, steps_to_solve, steps_ratio),
        *(loss_at, margin_over_floor),
    )
}
