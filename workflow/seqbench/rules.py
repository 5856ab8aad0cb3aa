"""The rules that workflow/claims.yaml names: each turns tables and a test into findings.

A finding holds or fails only where a 95 % interval lies wholly on one side of its threshold, so
each is wrong in at most 2.5 % of runs; that is not corrected for the number of claims. A rule of
the kind "there is a length" corrects for the number of lengths itself.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from workflow.seqbench.intervals import CONFIDENCE, binomial_interval
from workflow.seqbench.stats import (
    MIN_RUNS,
    classify_ratio,
    fit_scaling,
    log_ratio,
    scaling_interval,
)
from workflow.seqbench.tables import interval

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
MAX_RUNS = 200  # nobody runs more; what needs more is too near its threshold to be decided


class Finding(NamedTuple):
    """What one test shows under one condition: an outcome, its numbers, what would decide it."""

    condition: int | str  # a sequence length, or words
    outcome: str
    evidence: str
    decide: str = ""


class Tables(NamedTuple):
    """The tables that the rules read, as data frames."""

    timing_cells: pd.DataFrame
    timing_audit_cells: pd.DataFrame
    recall_cells: pd.DataFrame
    recall_curves: pd.DataFrame
    gradient_flow: pd.DataFrame


def models_of(test):
    """Models that a test looks at."""
    return [test[key] for key in ("a", "b", "model") if key in test]


def experiment_of(test):
    """Experiment whose cells a test looks at."""
    return test["table"].removesuffix("_cells") if "table" in test else "recall"


def faster(tables, test, thresholds):
    """a takes less time than b, at each length."""
    outcome = {"faster": HOLDS, "slower": FAILS, "equal": FAILS}
    return [
        Finding(seq_len, outcome.get(kind, UNDECIDED), said, decide)
        for seq_len, kind, said, decide in ratios(tables, test, thresholds)
    ] or [missing(test)]


def somewhere_slower(tables, test, thresholds):
    """There is a length at which a takes more time than b; one finding for all lengths.

    One length in many is slower by chance sooner than a given one: each is held to a part of the
    error (Bonferroni). That none is slower needs all of them to be faster or equal.
    """
    usual = ratios(tables, test, thresholds)
    if not usual:
        return [missing(test)]
    strict = ratios(tables, test, thresholds, 1 - (1 - CONFIDENCE) / len(usual))
    slower = [
        Finding("some length", HOLDS, said) for _, kind, said, _ in strict if kind == "slower"
    ]
    if slower:
        return slower[-1:]
    said = ", ".join(said for _, _, said, _ in usual)
    if all(kind in ("faster", "equal") for _, kind, _, _ in usual):
        return [Finding("every length", FAILS, said)]
    decide = next(d for _, kind, _, d in strict if kind not in ("faster", "equal"))
    return [Finding("every length", UNDECIDED, said, decide)]


def ratios(tables, test, thresholds, confidence=CONFIDENCE):
    """(seq_len, class, text, what would decide) of a's time over b's, paired by process."""
    a, b = (matrix(tables, test, test[side]) for side in "ab")
    edge = math.log1p(thresholds["margin"])
    found = []
    for seq_len in a.columns.intersection(b.columns):
        pair = pd.concat([a[seq_len], b[seq_len]], axis=1, keys=["a", "b"]).dropna()
        ratio, low, high, _ = log_ratio(pair["a"], pair["b"], confidence=confidence)
        kind = classify_ratio(low, high, thresholds["margin"])
        decide = ""
        if kind not in ("faster", "slower", "equal"):
            decide = enough_runs(*np.log([ratio, low, high]), len(pair), [-edge, edge], confidence)
        found.append((seq_len, kind, f"{interval(ratio, low, high)} at {seq_len:,}", decide))
    return found


def linear(tables, test, thresholds):
    """The slope at the longest length lies within the bounds of a linear profile."""
    return [slope_finding(tables, test, thresholds, *thresholds["linear_slope"])]


def quadratic(tables, test, thresholds):
    """The slope at the longest length is above the threshold."""
    return [slope_finding(tables, test, thresholds, thresholds["quadratic_slope"], math.inf)]


def slope_finding(tables, test, thresholds, bottom, top):
    """Whether the slope d ln y / d ln N at a model's longest length is from `bottom` to `top`.

    The longest length is that which every process completed. A fitted law that misses one of the
    two longest lengths says nothing about the slope there.
    """
    values = matrix(tables, test, test["model"])
    if values.empty:
        return missing(test)
    values = values.where(values > 0).dropna(axis=1)
    if len(values.columns) < 3:
        return Finding("this run", UNDECIDED, "below 3 lengths", "3 lengths at least")
    lengths, longest = list(values.columns), max(values.columns)
    slope, low, high, method = scaling_interval(lengths, values.to_numpy())["slope_last"]
    said = f"slope {interval(slope, low, high)} at {longest:,}"
    if math.isnan(low):
        return Finding(longest, UNDECIDED, f"{method}", enough_runs(slope, low, high, len(values)))
    mean = np.exp(np.log(values.to_numpy()).mean(axis=0))
    fit = fit_scaling(lengths, mean)
    law = fit.a + fit.b * np.array(lengths) + fit.c * np.square(lengths, dtype=float)
    miss = np.abs(law / mean - 1)[-2:].max()
    if miss > thresholds["misfit"]:
        said = f"{said}, but the fitted law is {miss:.0%} off"
        return Finding(longest, UNDECIDED, said, "more lengths near the longest")
    edges = [edge for edge in (bottom, top) if math.isfinite(edge)]
    decide = enough_runs(slope, low, high, len(values), edges)
    return Finding(longest, within(low, high, bottom, top), said, decide)


def loss_zero_immediately(tables, test, thresholds):
    """Most runs at the longest length get a training loss of zero within the first steps."""
    runs = longest_runs(tables, test)
    if runs.empty:
        return [missing(test)]
    seq_len, steps = int(runs["seq_len"].iloc[0]), thresholds["immediately"]
    curves = tables.recall_curves
    curves = curves[(curves["model"] == test["model"]) & (curves["seq_len"] == seq_len)]
    wide = curves.pivot(index="step", columns="seed", values="train_loss")
    lowest = wide.rolling(10).mean().loc[:steps].min()
    reached = lowest < thresholds["zero_loss"]
    followed = wide.notna().sum() >= steps
    diverged = lowest.index.isin(runs.loc[runs["status"] == "diverged", "seed"])
    missed = ~reached & (followed | diverged)
    said = f"{reached.sum()} of {len(reached)} by step {steps}, loss down to {lowest.median():.2f}"
    return [rate_finding(seq_len, reached.sum(), missed.sum(), len(reached), thresholds, said)]


def fails_to_solve(tables, test, thresholds):
    """Most runs at the longest length are unsolved (within so many steps, or the whole budget)."""
    runs = longest_runs(tables, test)
    if runs.empty:
        return [missing(test)]
    seq_len, steps = int(runs["seq_len"].iloc[0]), test.get("within", runs["budget_steps"].max())
    solved = runs["solved_step"] <= steps
    # A run that ended before, for want of time, might have gone on to solve it.
    followed = (runs["status"] == "diverged") | (runs["steps"] >= steps)
    failed = ~solved & (followed | (runs["solved_step"] > steps))
    said = f"{share(solved.sum(), len(runs))} solved by step {steps:,} at {seq_len:,}"
    return [rate_finding(seq_len, failed.sum(), solved.sum(), len(runs), thresholds, said)]


def gradient_decides(tables, test, thresholds):
    """At each length: no gradient at the first token before training and unsolved, or both."""
    runs = pick(tables.recall_cells, test["model"], test)
    flow = tables.gradient_flow
    flow = flow[(flow["model"] == test["model"]) & (flow["moment"] == "before training")]
    found = []
    for seq_len, own in runs.groupby("seq_len"):
        norms = flow[flow["seq_len"] == seq_len].sort_values("position")
        if norms.empty:
            continue
        first, last = norms.iloc[0], norms.iloc[-1]
        arrives = first["gradient_median"] / last["gradient_median"]
        least = first["gradient_min"] / last["gradient_max"]
        most = first["gradient_max"] / last["gradient_min"]
        solved = own["solved_step"].notna()
        said = f"{arrives:.0e} of the gradient and {share(solved.sum(), len(own))} solved at {seq_len:,}"
        if least < thresholds["vanished"] <= most:
            decide = "a length at which the seeds agree on whether the gradient arrives"
            found.append(Finding(seq_len, UNDECIDED, said, decide))
            continue
        unsolved = ~solved & (
            (own["status"] != "over budget") | (own["steps"] >= own["budget_steps"])
        )
        counts = [unsolved.sum(), solved.sum()]
        yes, no = counts if most < thresholds["vanished"] else counts[::-1]
        found.append(rate_finding(seq_len, yes, no, len(own), thresholds, said))
    return found or [missing(test)]


def distance_does_not_matter(tables, test, thresholds):
    """In most runs the longest length takes no more steps than the shortest, within the factor.

    A run that is not solved at both lengths does not show that. Runs are pairs by seed.
    """
    runs = pick(tables.recall_cells, test["model"], test)
    if runs["seq_len"].nunique() < 2:
        return [missing(test)]
    near, far = int(runs["seq_len"].min()), int(runs["seq_len"].max())
    steps = runs.pivot(index="seed", columns="seq_len", values="solved_step")[[near, far]]
    factor = steps[far] / steps[near]  # NaN: not solved
    alike = (factor <= thresholds["distance_factor"]).sum()
    cut = runs[runs["seq_len"].isin([near, far]) & runs["solved_step"].isna()]
    cut = cut.loc[(cut["status"] == "over budget") & (cut["steps"] < cut["budget_steps"]), "seed"]
    other = len(factor) - alike - cut.nunique()
    typical = factor.fillna(math.inf).median()
    said = f"{far:,} takes {f'{typical:.2g}' if math.isfinite(typical) else '∞'} times the steps of {near:,}"
    said = (
        f"{said} (median), at most {thresholds['distance_factor']:g} in {share(alike, len(factor))}"
    )
    return [
        rate_finding(f"{near:,} to {far:,} tokens", alike, other, len(factor), thresholds, said)
    ]


RULES = {
    rule.__name__: rule
    for rule in (
        faster,
        somewhere_slower,
        linear,
        quadratic,
        loss_zero_immediately,
        fails_to_solve,
        gradient_decides,
        distance_does_not_matter,
    )
}


def pick(cells, model, test):
    """The cells of a model that were made as `test` needs them: at one length, with settings."""
    cells = cells[cells["model"] == model]
    if "at" in test:
        cells = cells[cells["seq_len"] == test["at"]]
    for column, value in test.get("needs", {}).items():
        cells = cells[cells[column] == value]
    return cells


def matrix(tables, test, model):
    """Values of a model by process (rows) and length (columns); empty where it was not run."""
    cells = pick(getattr(tables, test["table"]), model, test)
    return cells.pivot(index="seed", columns="seq_len", values=test["time"]).astype(float)


def longest_runs(tables, test):
    """The recall cells of a test's model at its longest length."""
    runs = pick(tables.recall_cells, test["model"], test)
    return runs[runs["seq_len"] == runs["seq_len"].max()]


def missing(test):
    """The finding where a run lacks what the test needs."""
    wanted = [f"seq_len {test['at']}"] if "at" in test else []
    wanted += [f"{key} {value}" for key, value in test.get("needs", {}).items()]
    how = f" with {', '.join(wanted)}" if wanted else ""
    decide = f"{' and '.join(models_of(test))} under {experiment_of(test)}.models{how}"
    return Finding("this run", UNDECIDED, "not in this run", decide)


def rate_finding(condition, yes, no, n, thresholds, said):
    """A finding on "most runs" from exact intervals; runs neither yes nor no could be either."""
    threshold = thresholds["success_rate"]
    low, high = binomial_interval(yes, n)[0], binomial_interval(n - no, n)[1]
    decide = "a larger max_seconds" if yes + no < n else f"more seeds than {MAX_RUNS}"
    for m in range(n + 1, MAX_RUNS + 1) if yes + no == n else ():
        bounds = binomial_interval(round(yes / n * m), m)
        if within(*bounds, threshold, math.inf) != UNDECIDED:
            decide = f"about {m} seeds at this rate"
            break
    return Finding(condition, within(low, high, threshold, math.inf), said, decide)


def enough_runs(value, low, high, n, edges=(), confidence=CONFIDENCE):
    """How many processes of the same spread would take a t-interval clear of every edge."""
    if n < MIN_RUNS or math.isnan(low):
        return f"{MIN_RUNS} processes at least"
    quantile = (1 + confidence) / 2
    spread = (high - low) / 2 * math.sqrt(n) / student.ppf(quantile, n - 1)
    gap = min(abs(value - edge) for edge in edges)
    m = np.arange(n + 1, MAX_RUNS + 1)
    enough = m[student.ppf(quantile, m - 1) * spread / np.sqrt(m) < gap]
    return f"about {enough[0]} processes" if len(enough) else f"more processes than {MAX_RUNS}"


def within(low, high, bottom, top):
    """Whether an interval lies within [bottom, top], outside of it, or across an edge."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if bottom <= low and high <= top:
        return HOLDS
    return FAILS if high < bottom or low > top else UNDECIDED


def share(k, n):
    """A count with the exact interval of its rate: 6 of 6 [54 – 100 %]."""
    low, high = binomial_interval(k, n)
    return f"{k} of {n} [{low * 100:.0f} – {high * 100:.0f} %]"
