"""A verdict on each of the original's claims, computed from the tables by pre-stated rules."""

import math
from typing import NamedTuple

import pandas as pd

from workflow.seqbench.intervals import binomial_interval
from workflow.seqbench.stats import classify_ratio, log_ratio, scaling_interval

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
MORE_RUNS = {
    "timing": "more seeds under timing: (each narrows the interval), on a quieter machine",
    "recall": "more seeds under recall:",
}


class Finding(NamedTuple):
    """What one test shows under one condition (a length, a model): an outcome and its numbers."""

    condition: str
    outcome: str
    evidence: str


class Tables(NamedTuple):
    """The tables that the rules read, as data frames."""

    timing_cells: pd.DataFrame
    timing_audit_cells: pd.DataFrame
    recall_cells: pd.DataFrame
    recall_curves: pd.DataFrame
    gradient_flow: pd.DataFrame


def judge(claims, tables):
    """The table `verdicts`: one row a claim, in the order of `claims` (the parsed claims.yaml)."""
    rows = []
    for name, claim in claims["claims"].items():
        rule = RULES[claim["rule"]]
        findings = {
            protocol: rule(tables, test, claims["thresholds"])
            for protocol, test in claim["tests"].items()
        }
        verdict, condition = conclude(findings)
        kind = "timing" if "table" in next(iter(claim["tests"].values())) else "recall"
        rows.append(
            {
                "claim": name,
                "quote": claim["quote"],
                "verdict": verdict,
                "condition": condition,
                "evidence": "; ".join(
                    f"{protocol}: {', '.join(f.evidence for f in found)}"
                    for protocol, found in findings.items()
                ),
                "rule": claim["says"],
                "would_decide": would_decide(findings, MORE_RUNS[kind]),
                "tables": ", ".join(sources_of(claim)),
                "reproduce": f"snakemake --cores 4 {' '.join(targets_of(claim))}",
            }
        )
    return pd.DataFrame(rows)


def conclude(findings):
    """Verdict and condition from {protocol: findings}."""
    outcomes = {f.outcome for found in findings.values() for f in found}
    if outcomes == {HOLDS}:
        return "supported", ""
    if outcomes == {FAILS}:
        return "refuted", ""
    if outcomes <= {UNDECIDED}:
        return "inconclusive", ""
    parts = []
    for protocol, found in findings.items():
        said = []
        for outcome in (HOLDS, FAILS, UNDECIDED):
            where = [f.condition for f in found if f.outcome == outcome]
            if len(where) == len(found):
                said.append(outcome)
            elif where:
                said.append(f"{outcome} at {', '.join(where)}")
        parts.append(f"{protocol}: {'; '.join(said)}")
    return "conditional", " | ".join(parts)


def would_decide(findings, how):
    """What would decide the findings that are undecided, or nothing where none is."""
    where = [
        f"{protocol}, {f.condition}"
        for protocol, found in findings.items()
        for f in found
        if f.outcome == UNDECIDED
    ]
    return f"{'; '.join(where)}: {how}" if where else ""


def sources_of(claim):
    """Names of the tables that a claim's rule reads."""
    if any("table" in test for test in claim["tests"].values()):
        return sorted({test["table"].removesuffix("_cells") for test in claim["tests"].values()})
    return {
        "loss_zero_immediately": ["recall", "recall_curves"],
        "gradient_decides": ["recall", "gradient_flow"],
        "distance_does_not_matter": ["distance", "recall"],
    }.get(claim["rule"], ["recall"])


def targets_of(claim):
    """Targets of the workflow that make those tables."""
    target = {
        "timing_audit": "audit",
        "recall_curves": "recall",
        "distance": "mechanism",
        "gradient_flow": "mechanism",
    }
    return sorted({target.get(table, table) for table in sources_of(claim)})


# Rules: (tables, test, thresholds) -> findings.


def faster(tables, test, thresholds):
    """a takes less time than b, at each length."""
    return [
        Finding(
            f"{seq_len:,} tokens",
            {"faster": HOLDS, "slower": FAILS, "equal": FAILS}.get(kind, UNDECIDED),
            f"{seq_len:,} tokens: {said}",
        )
        for seq_len, kind, said in ratios(tables, test, thresholds)
    ] or [missing(f"{test['a']} and {test['b']}")]


def somewhere_slower(tables, test, thresholds):
    """There is a length at which a takes more time than b; one finding for all lengths."""
    found = ratios(tables, test, thresholds)
    if not found:
        return [missing(f"{test['a']} and {test['b']}")]
    slower = [(seq_len, said) for seq_len, kind, said in found if kind == "slower"]
    if slower:
        seq_len, said = slower[-1]
        return [Finding("some length", HOLDS, f"{seq_len:,} tokens: {said}")]
    undecided = any(kind in ("inconclusive", "not enough runs") for _, kind, _ in found)
    outcome = UNDECIDED if undecided else FAILS
    return [
        Finding("every length", outcome, ", ".join(f"{n:,} tokens: {said}" for n, _, said in found))
    ]


def ratios(tables, test, thresholds):
    """(seq_len, classification, text) of a's time over b's, paired by process, at each length."""
    a, b = (matrix(tables, test, test[side]) for side in "ab")
    found = []
    for seq_len in a.columns.intersection(b.columns):
        pair = pd.concat([a[seq_len], b[seq_len]], axis=1, keys="ab")
        ratio, low, high, _ = log_ratio(pair["a"], pair["b"])
        kind = classify_ratio(low, high, thresholds["margin"])
        found.append((seq_len, kind, f"{interval(ratio, low, high)} times {test['b']}"))
    return found


def linear(tables, test, thresholds):
    """The slope at the longest length lies within the bounds of a linear profile."""
    bottom, top = thresholds["linear_slope"]
    return [slope_finding(tables, test, lambda low, high: within(low, high, bottom, top))]


def quadratic(tables, test, thresholds):
    """The slope at the longest length is above the threshold."""
    limit = thresholds["quadratic_slope"]
    return [slope_finding(tables, test, lambda low, high: within(low, high, limit, math.inf))]


def slope_finding(tables, test, decide):
    """A finding on the slope d ln y / d ln N at the longest length of a model."""
    values = matrix(tables, test, test["model"]).dropna(axis=1)
    if values.empty:
        return missing(test["model"])
    slope, low, high, method = scaling_interval(list(values.columns), values.to_numpy())[
        "slope_last"
    ]
    longest = f"{max(values.columns):,} tokens"
    if math.isnan(low):
        return Finding(longest, UNDECIDED, f"{test['model']}: {method}")
    text = f"{test['model']}: slope {interval(slope, low, high)} at {longest}"
    return Finding(longest, decide(low, high), text)


def loss_zero_immediately(tables, test, thresholds):
    """Most runs at the longest length get a training loss of zero within the first steps."""
    curves = tables.recall_curves[tables.recall_curves["model"] == test["model"]]
    if curves.empty:
        return [missing(test["model"])]
    curves = curves[curves["seq_len"] == curves["seq_len"].max()]
    wide = curves.pivot(index="step", columns="seed", values="train_loss").rolling(10).mean()
    first = wide.loc[: thresholds["immediately"]].min()
    reached = int((first < thresholds["zero_loss"]).sum())
    steps = thresholds["immediately"]
    said = f"{test['model']} in {reached} of {len(first)} runs by step {steps}; loss there {first.median():.2f} nats (median)"
    return [rate_finding(curves["seq_len"].iloc[0], reached, len(first), thresholds, said)]


def fails_to_solve(tables, test, thresholds):
    """Most runs at the longest length are unsolved (within so many steps, or the whole budget)."""
    runs = longest_runs(tables, test["model"])
    if runs.empty:
        return [missing(test["model"])]
    within_steps = test.get("within", math.inf)
    unsolved = int((~(runs["solved_step"] <= within_steps)).sum())
    budget = min(within_steps, runs["budget_steps"].max())
    said = f"{test['model']} solved in {len(runs) - unsolved} of {len(runs)} runs within {budget:,.0f} steps"
    return [rate_finding(runs["seq_len"].iloc[0], unsolved, len(runs), thresholds, said)]


def gradient_decides(tables, test, thresholds):
    """No gradient at the first token before training and unsolved, or gradient and solved."""
    runs = longest_runs(tables, test["model"])
    flow = tables.gradient_flow
    flow = flow[(flow["model"] == test["model"]) & (flow["moment"] == "before training")]
    if runs.empty or flow.empty:
        return [missing(test["model"])]
    flow = flow[flow["seq_len"] == flow["seq_len"].max()].set_index("position")["gradient_median"]
    share = flow.iloc[0] / flow.iloc[-1]
    vanished = share < thresholds["vanished"]
    solved = int(runs["solved_step"].notna().sum())
    expected = len(runs) - solved if vanished else solved
    said = (
        f"{test['model']}: {share:.0e} of the gradient reaches the first token before training, "
        f"{solved} of {len(runs)} solved"
    )
    return [rate_finding(runs["seq_len"].iloc[0], expected, len(runs), thresholds, said)]


def distance_does_not_matter(tables, test, thresholds):
    """Steps to solve at the longest length over those at the shortest; all runs must be solved."""
    runs = tables.recall_cells[tables.recall_cells["model"] == test["model"]]
    if runs.empty or runs["seq_len"].nunique() < 2:
        return [missing(test["model"])]
    near, far = runs["seq_len"].min(), runs["seq_len"].max()
    steps = runs.pivot(index="seed", columns="seq_len", values="solved_step")
    where = f"{near:,} to {far:,} tokens"
    if steps[[near, far]].isna().any(axis=None):
        unsolved = int(steps[[near, far]].isna().sum().sum())
        solved = binomial_interval(len(steps) * 2 - unsolved, len(steps) * 2)
        outcome = FAILS if solved[1] < thresholds["success_rate"] else UNDECIDED
        return [
            Finding(
                where, outcome, f"{test['model']}: {unsolved} of {2 * len(steps)} runs not solved"
            )
        ]
    ratio, low, high, _ = log_ratio(steps[far], steps[near])
    outcome = within(low, high, 0, thresholds["distance_factor"])
    said = f"{test['model']}: {far:,} tokens take {interval(ratio, low, high)} times the steps of {near:,}"
    return [Finding(where, outcome, said)]


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


def matrix(tables, test, model):
    """Values of a model by process (rows) and length (columns); empty where it was not run."""
    cells = getattr(tables, test["table"])
    cells = cells[cells["model"] == model]
    return cells.pivot(index="seed", columns="seq_len", values=test["time"]).astype(float)


def longest_runs(tables, model):
    """The recall cells of a model at its longest length."""
    runs = tables.recall_cells[tables.recall_cells["model"] == model]
    return runs[runs["seq_len"] == runs["seq_len"].max()]


def rate_finding(seq_len, successes, n, thresholds, said):
    """A finding on "most runs": the exact interval of the rate against the threshold."""
    low, high = binomial_interval(successes, n)
    outcome = within(low, high, thresholds["success_rate"], math.inf)
    return Finding(
        f"{seq_len:,} tokens", outcome, f"{said} ({low:.0%} – {high:.0%} for the rate judged)"
    )


def within(low, high, bottom, top):
    """Whether an interval lies within [bottom, top], outside of it, or across an edge."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    if bottom <= low and high <= top:
        return HOLDS
    return FAILS if high < bottom or low > top else UNDECIDED


def missing(what):
    """The finding where a run lacks what the rule needs."""
    return Finding("this run", UNDECIDED, f"{what}: not in this run")


def interval(value, low, high):
    """A number with its bounds: 0.42 [0.40, 0.44]."""
    if math.isnan(low):
        return f"{value:.2g} [not enough runs]"
    return (
        f"{value:.2f} [{low:.2f}, {high:.2f}]"
        if value < 10
        else f"{value:.1f} [{low:.1f}, {high:.1f}]"
    )


def for_people(verdicts):
    """The table that the README shows."""
    return pd.DataFrame(
        {
            "The original says": [f"“{quote}”" for quote in verdicts["quote"]],
            "Verdict": [f"**{verdict}**" for verdict in verdicts["verdict"]],
            "Condition": verdicts["condition"].str.replace(" | ", "<br>", regex=False),
            "Evidence": verdicts["evidence"].str.replace("; ", "<br>", regex=False),
            "More would decide": verdicts["would_decide"],
        }
    )
