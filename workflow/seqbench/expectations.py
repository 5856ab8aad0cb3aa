"""What a run should show if it is right: expectations from first principles, the literature and pilots.

Expectations and what they accept were written down before the reference run and are not tuned to
it; a run that does not agree is reported with its numbers. Exact ones follow from definitions and
hold in every run. "Pilot": an earlier trial on two cores of another machine; times are then
accepted within a factor of 2, since ratios between models differ from one machine to another.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.seqbench.rules import pick, share
from workflow.seqbench.stats import (
    fit_scaling,
    log_ratio,
    median_time_to_solve,
    scaling_interval,
)
from workflow.seqbench.tables import interval

# Sizes that the expectations are about; cells of other sizes do not count.
SPEED = {"d_model": 128, "batch_size": 1, "mode": "eval", "calls": "steady"}
PUBLISHED_SPEED = SPEED | {"mode": "train"}
MEMORY = {"d_model": 64, "batch_size": 32, "vocabulary": 100}
UNTRAINED = 10  # steps; no model has learned anything to speak of by then


class Tables(NamedTuple):
    """The tables that the expectations are held against, as data frames."""

    timing_cells: pd.DataFrame
    timing_audit_cells: pd.DataFrame
    decode_cells: pd.DataFrame
    recall: pd.DataFrame
    recall_cells: pd.DataFrame
    recall_curves: pd.DataFrame
    recall_audit_cells: pd.DataFrame
    gradient_flow: pd.DataFrame


class NotInRun(Exception):
    """The run has nothing to hold an expectation against; the message says what is missing."""


class Expectation(NamedTuple):
    """A sentence, where it comes from, the values that agree with it, and how to get a run's value.

    `measure` takes the tables and gives (value, the value in words).
    """

    name: str
    says: str
    source: str
    expected: str
    low: float
    high: float
    measure: Callable
    exact: bool = False


def table(tables):
    """The table `expectations`: one row an expectation, whatever the run holds."""
    rows = []
    for expectation in EXPECTATIONS:
        try:
            value, found = expectation.measure(tables)
            agrees = "yes" if expectation.low <= value <= expectation.high else "no"
        except NotInRun as error:
            value, found, agrees = math.nan, str(error), "not in this run"
        rows.append(
            {
                "name": expectation.name,
                "expectation": expectation.says,
                "source": expectation.source,
                "exact": expectation.exact,
                "expected": expectation.expected,
                "accepted_low": expectation.low,
                "accepted_high": expectation.high,
                "value": value,
                "found": found,
                "agrees": agrees,
            }
        )
    return pd.DataFrame(rows)


def for_people(frame):
    """The table that the README shows."""
    return pd.DataFrame(
        {
            "Expectation": frame["expectation"],
            "Source": frame["source"],
            "Expected": frame["expected"],
            "Accepted": [
                accepted(low, high)
                for low, high in zip(frame["accepted_low"], frame["accepted_high"], strict=True)
            ],
            "Found": frame["found"],
            "Agrees": frame["agrees"].replace("no", "**no**"),
        }
    )


def accepted(low, high):
    """Bounds in words: 44.5 – 178, at most 1e-15, at least 500."""
    low_text, high_text = (
        f"{x:,.0f}" if math.isfinite(x) and x == round(x) else f"{x:.5g}" for x in (low, high)
    )
    if low == high:
        return low_text
    if math.isinf(high):
        return f"at least {low_text}"
    return f"at most {high_text}" if math.isinf(low) else f"{low_text} – {high_text}"


# Measures: each gives (value, text) or raises NotInRun.


def cells_of(cells, model, **needs):
    """The cells of a model that were made so; NotInRun where there are none."""
    own = pick(cells, model, {"needs": needs})
    if own.empty:
        what = ", ".join(f"{key} {value}" for key, value in needs.items())
        raise NotInRun(f"no {model}" + (f" with {what}" if what else ""))
    return own


def floor(tables, column, seq_len):
    """A loss that a model without memory of the order can reach, as the table `recall` states it."""
    own = tables.recall[tables.recall["seq_len"] == seq_len]
    if own.empty:
        raise NotInRun(f"no seq_len {seq_len} in recall")
    return own[column].iloc[0], f"{own[column].iloc[0]:.3f}"


def parameters(cells, model, **needs):
    """Trainable parameters of a model."""
    count = int(cells_of(cells, model, **needs)["parameters"].max())
    return count, f"{count:,}"


def leak(tables):
    """Lowest mean loss of the first steps, less the floor of models that only count tokens."""
    floors = tables.recall.set_index(["model", "seq_len"])["bag_of_tokens_loss_nats"]
    early = tables.recall_curves[tables.recall_curves["step"] <= UNTRAINED]
    losses = early.groupby(["model", "seq_len", "seed"])["train_loss"].mean()
    above = (losses - floors.reindex(losses.index.droplevel("seed")).to_numpy()).dropna()
    if above.empty:
        raise NotInRun("no training curve with a floor")
    model, seq_len, _ = above.idxmin()
    return above.min(), f"{above.min():+.2f} nats at least ({model}, {seq_len:,} tokens)"


def overtakes(tables, model, column):
    """N at which the quadratic term of a model's FLOPs or times overtakes the linear one."""
    values = by_length(cells_of(tables.timing_cells, model, **SPEED), column)
    at = fit_scaling(values.columns, np.exp(np.log(values).mean())).overtakes_at
    if math.isnan(at):
        raise NotInRun(f"{model}: below 3 lengths")
    return at, f"N = {at:,.0f}" if math.isfinite(at) else "no quadratic term in range"


def slope(tables, model):
    """Local slope d ln T / d ln N at the longest length."""
    values = by_length(cells_of(tables.timing_cells, model, **SPEED), "time_s")
    value, low, high, _ = scaling_interval(list(values.columns), values.to_numpy())["slope_last"]
    if math.isnan(value):
        raise NotInRun(f"{model}: below 3 lengths")
    return value, f"{interval(value, low, high)} at {max(values.columns):,} tokens"


def times(cells, a, b, column="time_s", **needs):
    """How many times b's value a takes; `a` and `b` are (model, seq_len), paired by process."""
    pair = []
    for model, seq_len in (a, b):
        own = cells_of(cells, model, seq_len=seq_len, **needs)
        pair.append(own.set_index("seed")[column].rename(len(pair)))
    pair = pd.concat(pair, axis=1).dropna()
    if pair.empty:
        raise NotInRun(f"no process completed both {a[0]} and {b[0]}")
    ratio, low, high, _ = log_ratio(pair[0], pair[1])
    return ratio, interval(ratio, low, high)


def warm_up(tables, model, seq_len):
    """How many times a settled call the first call of a process takes."""
    own = cells_of(tables.timing_cells, model, seq_len=seq_len, **SPEED)
    own = own[["cold_s", "time_s"]].dropna()
    if own.empty:
        raise NotInRun(f"no process completed {model}")
    ratio, low, high, _ = log_ratio(own["cold_s"], own["time_s"])
    return ratio, interval(ratio, low, high)


def solved(tables, model, seq_len, by=math.inf):
    """Share of runs solved, by a step."""
    own = cells_of(tables.recall_cells, model, seq_len=seq_len, **MEMORY)
    count = int((own["solved_step"] <= by).sum())
    budget = int(min(by, own["budget_steps"].max()))
    return count / len(own), f"{share(count, len(own))} by step {budget:,}"


def steps_to_solve(cells, model, seq_len):
    """Median steps to solve (Kaplan-Meier)."""
    own = cells_of(cells, model, seq_len=seq_len, **MEMORY)
    limits = np.where(own["status"] == "over budget", own["steps"], own["budget_steps"])
    median, low, high, method = median_time_to_solve(own["solved_step"], limits)
    budget = int(own["budget_steps"].max())
    bounds = [f"> {budget:,}" if math.isinf(x) else f"{x:,.0f}" for x in (median, low, high)]
    extent = method if math.isnan(low) else f"{bounds[1]} – {bounds[2]}"
    return median, f"{bounds[0]} [{extent}]"


def final_loss(tables, model, seq_len):
    """Median loss on fresh data at the end."""
    own = cells_of(tables.recall_cells, model, seq_len=seq_len, **MEMORY)["final_loss"].dropna()
    if own.empty:
        raise NotInRun(f"{model} has no final loss")
    return own.median(), f"{own.median():.3f} [{own.min():.3f} – {own.max():.3f}, all runs]"


def gradient_share(tables, model, seq_len):
    """Share of the last position's gradient that the first one gets before training."""
    cells_of(tables.recall_cells, model, seq_len=seq_len, **MEMORY)
    flow = cells_of(tables.gradient_flow, model, seq_len=seq_len, moment="before training")
    flow = flow.sort_values("position")
    value = flow["gradient_median"].iloc[0] / flow["gradient_median"].iloc[-1]
    return value, f"{value:.1e}"


def by_length(cells, column):
    """Values by process and length, at the lengths that every process completed."""
    values = cells.pivot(index="seed", columns="seq_len", values=column).astype(float)
    return values.dropna(axis=1)


def about(value, factor=2):
    """Bounds of `value` within a factor."""
    return value / factor, value * factor


EXPECTATIONS = (
    Expectation(
        "chance",
        "A guess among 99 tokens costs ln 99.",
        "Entropy of a uniform guess",
        "4.595 nats",
        *(4.5945, 4.5955),
        lambda t: floor(t, "chance_loss_nats", 100),
        exact=True,
    ),
    Expectation(
        "bag_of_tokens",
        "Counting 100 tokens without knowing their order costs ln 100 - E[ln(1 + Bin(99, 1/99))].",
        "Derived: given the counts, each of the tokens is the first one alike",
        "4.031 nats",
        *(4.0305, 4.0315),
        lambda t: floor(t, "bag_of_tokens_loss_nats", 100),
        exact=True,
    ),
    Expectation(
        "no_leak",
        f"In its first {UNTRAINED} steps no model beats the one that counts tokens: else the data leak the answer.",
        "Follows from the task: order must be learned first",
        "above that floor",
        *(0, math.inf),
        leak,
        exact=True,
    ),
    Expectation(
        "parameters_lstm_speed",
        "The original's LSTM for timing has 4(2D² + 2D) parameters.",
        "Counted from the original's notebook",
        "132,096",
        *(132_096, 132_096),
        lambda t: parameters(t.timing_cells, "lstm", **SPEED),
        exact=True,
    ),
    Expectation(
        "parameters_transformer_speed",
        "Its Transformer for timing has 9.0 times as many.",
        "Counted from the original's notebook",
        "1,186,048",
        *(1_186_048, 1_186_048),
        lambda t: parameters(t.timing_cells, "transformer", **SPEED),
        exact=True,
    ),
    Expectation(
        "parameters_lstm_memory",
        "Its LSTM for recall, embedding and classifier included.",
        "Counted from the original's notebook",
        "46,180",
        *(46_180, 46_180),
        lambda t: parameters(t.recall_cells, "lstm", seq_len=100, **MEMORY),
        exact=True,
    ),
    Expectation(
        "parameters_transformer_memory",
        "Its Transformer for recall has 6.5 times as many.",
        "Counted from the original's notebook",
        "300,452",
        *(300_452, 300_452),
        lambda t: parameters(t.recall_cells, "transformer", seq_len=100, **MEMORY),
        exact=True,
    ),
    Expectation(
        "quadratic_flops",
        "Of the FLOPs of the original's encoder the quadratic term overtakes the linear one at N = 2D + F.",
        "Closed form, as in Kaplan et al. 2020, table 1",
        "N = 2,304",
        *(2303.5, 2304.5),
        lambda t: overtakes(t, "transformer", "flops"),
        exact=True,
    ),
    Expectation(
        "quadratic_flops_matched",
        "The same of the matched encoder's FLOPs, whose F is 254.",
        "Closed form, as in Kaplan et al. 2020, table 1",
        "N = 510",
        *(509.5, 510.5),
        lambda t: overtakes(t, "transformer_matched", "flops"),
        exact=True,
    ),
    Expectation(
        "quadratic_time",
        "So it does, roughly, of its time: below 2D + F a Transformer is no quadratic model.",
        "The FLOPs above, if time follows them",
        "N = 2,304",
        *about(2304),
        lambda t: overtakes(t, "transformer", "time_s"),
    ),
    Expectation(
        "lstm_linear",
        "An LSTM's time is linear in N: its local slope at the longest length is 1.",
        "Hochreiter & Schmidhuber 1997: constant work a step",
        "1",
        *(0.85, 1.15),
        lambda t: slope(t, "lstm"),
    ),
    Expectation(
        "gap_published",
        "At 3,000 tokens in train mode, warmed up, the original's Transformer takes 89 times the LSTM's time.",
        "Pilot",
        "about 89",
        *about(89),
        lambda t: times(
            t.timing_audit_cells, ("transformer", 3000), ("lstm", 3000), **PUBLISHED_SPEED
        ),
    ),
    Expectation(
        "gap_eval",
        "eval() alone takes that to 23: no dropout, and PyTorch's fused encoder.",
        "Pilot",
        "about 23",
        *about(23),
        lambda t: times(t.timing_cells, ("transformer", 3000), ("lstm", 3000), **SPEED),
    ),
    Expectation(
        "gap_matched",
        "Matching the parameters takes it to 8.",
        "Pilot",
        "about 8",
        *about(8),
        lambda t: times(t.timing_cells, ("transformer_matched", 3000), ("lstm", 3000), **SPEED),
    ),
    *(
        Expectation(
            f"tie_{n}",
            f"At {n} tokens the matched pair takes about the same time.",
            "Pilot",
            "about 1",
            *about(1, 1.5),
            lambda t, n=n: times(t.timing_cells, ("transformer_matched", n), ("lstm", n), **SPEED),
        )
        for n in (100, 500)
    ),
    Expectation(
        "cold_call",
        "The first call of a process takes 3 to 10 times as long as a settled one (LSTM, 100 tokens).",
        "Pilot",
        "3 to 10",
        *(3 / 2, 10 * 2),
        lambda t: warm_up(t, "lstm", 100),
    ),
    Expectation(
        "decode_lstm",
        "A decoded token costs an LSTM the same after 4,000 tokens as after 100.",
        "Hochreiter & Schmidhuber 1997: a state of fixed size",
        "1",
        *about(1, 1.25),
        lambda t: times(t.decode_cells, ("lstm", 4000), ("lstm", 100), **SPEED),
    ),
    Expectation(
        "decode_cache",
        "With a cache of keys and values it grows with the context: 4,000 tokens against 1,000.",
        "Shazeer 2019, the cache is read for each token",
        "up to 4",
        *(1.5, 4 * 1.25),
        lambda t: times(
            t.decode_cells,
            ("transformer_decoder_matched", 4000),
            ("transformer_decoder_matched", 1000),
            **SPEED,
        ),
    ),
    Expectation(
        "gradient_default",
        "Before training, PyTorch's default LSTM passes less than 1e-15 of the gradient through 100 steps.",
        "About sigmoid(b)^T, b near 0; Hochreiter et al. 2001",
        "below 1e-15",
        *(-math.inf, 1e-15),
        lambda t: gradient_share(t, "lstm", 100),
    ),
    Expectation(
        "gradient_chrono",
        "With chrono initialisation more than 1e-3 of it arrives.",
        "Tallec & Ollivier 2018",
        "above 1e-3",
        *(1e-3, math.inf),
        lambda t: gradient_share(t, "lstm_chrono", 100),
    ),
    Expectation(
        "lstm_unsolved",
        "The default LSTM solves no run at 100 tokens.",
        "Pilot; the original's finding",
        "no run",
        *(0, 0),
        lambda t: solved(t, "lstm", 100),
    ),
    Expectation(
        "lstm_at_chance",
        "It stays at chance, above what counting tokens would give.",
        "Pilot",
        "4.595 nats",
        *(4.495, 4.695),
        lambda t: final_loss(t, "lstm", 100),
    ),
    Expectation(
        "lstm_short",
        "It does solve 10 tokens, in about 1,500 steps.",
        "Pilot",
        "about 1,500",
        *about(1500),
        lambda t: steps_to_solve(t.recall_cells, "lstm", 10),
    ),
    Expectation(
        "forget_bias_unsolved",
        "A forget bias of 1 (Jozefowicz et al. 2015) is not enough for 100 tokens.",
        "Pilot; sigmoid(1)^100 is 2e-14",
        "no run",
        *(0, 0),
        lambda t: solved(t, "lstm_forget_bias", 100),
    ),
    Expectation(
        "chrono_solves",
        "With chrono initialisation the LSTM solves 100 tokens in every run.",
        "Tallec & Ollivier 2018; pilot",
        "every run",
        *(1, 1),
        lambda t: solved(t, "lstm_chrono", 100),
    ),
    Expectation(
        "chrono_steps",
        "It takes about 2,000 steps.",
        "Pilot",
        "about 2,000",
        *about(2000),
        lambda t: steps_to_solve(t.recall_cells, "lstm_chrono", 100),
    ),
    Expectation(
        "transformer_not_instant",
        "The original's own Transformer is not solved by its 500 steps.",
        "Pilot; its notebook ends at a loss of 3.97",
        "no run",
        *(0, 0),
        lambda t: solved(t, "transformer", 100, by=500),
    ),
    Expectation(
        "transformer_small",
        "Small and without dropout, otherwise the same, it is solved in 200 to 400 steps.",
        "Pilot",
        "200 to 400",
        *(200 / 2, 400 * 2),
        lambda t: steps_to_solve(t.recall_audit_cells, "transformer_small", 100),
    ),
)
