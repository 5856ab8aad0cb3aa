"""Tables that judge times: how each model scales, and how it compares with the first one."""

import math

import pandas as pd

from workflow.seqbench.stats import (
    classify_ratio,
    crossover,
    fit_scaling,
    geometric_mean_ratio,
    log_ratio,
    scaling_interval,
)
from workflow.seqbench.tables import interval


def times(cells, model):
    """Seconds of a model by process (rows) and length (columns), lengths that all completed."""
    own = cells[cells["model"] == model]
    return own.pivot(index="seed", columns="seq_len", values="time_s").astype(float).dropna(axis=1)


def scaling(cells):
    """The table `scaling`: T(N) = a + bN + cN², local slopes at both ends, one row a model."""
    rows = []
    for model in cells["model"].unique():
        own = times(cells, model)
        lengths = list(own.columns)
        if not lengths:
            continue
        row = {"model": model, "n": len(own), "from": min(lengths), "to": max(lengths)}
        for name, (value, low, high, method) in scaling_interval(lengths, own.to_numpy()).items():
            row |= {name: value, f"{name}_low": low, f"{name}_high": high, "interval": method}
        fit = fit_scaling(lengths, own.median())
        row |= {
            "a_s": fit.a,
            "b_s_per_token": fit.b,
            "c_s_per_token2": fit.c,
            "overtakes_at": fit.overtakes_at,
            "misfit": fit.misfit,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def scaling_for_people(table):
    """The table with the columns that a reader wants first."""

    def bounds(row, name):
        return interval(row[name], row[f"{name}_low"], row[f"{name}_high"])

    rows = [row for _, row in table.iterrows()]
    return pd.DataFrame(
        {
            "model": table["model"],
            "slope at the shortest": [bounds(row, "slope_first") for row in rows],
            "slope at the longest": [bounds(row, "slope_last") for row in rows],
            "quadratic share at the longest": [bounds(row, "quadratic_share") for row in rows],
            "quadratic term overtakes at": [
                "never" if math.isinf(n) else "–" if math.isnan(n) else f"{n:,.0f} tokens"
                for n in table["overtakes_at"]
            ],
            "largest misfit": ["–" if math.isnan(m) else f"{m:.0%}" for m in table["misfit"]],
        }
    )


def ratios(cells, margin):
    """The table `ratios`: each model's time over the first model's, paired by process.

    One row per (model, seq_len), and one for all lengths (seq_len empty): the geometric mean and
    the lengths, inside the measured range, at which both take the same time.
    """
    first, *others = cells["model"].unique()
    base, rows = times(cells, first), []
    for model in others:
        own = times(cells, model)
        lengths = [n for n in own.columns if n in base.columns]
        a, b = own[lengths].align(base[lengths], join="inner", axis=0)
        for n in lengths:
            rows.append(row_of(model, first, n, log_ratio(a[n], b[n]), margin))
        if lengths:
            overall = geometric_mean_ratio(a.to_numpy(), b.to_numpy())
            roots, said = crossover(lengths, a.to_numpy(), b.to_numpy())
            where = ", ".join(crossing(*root) for root in roots) or said
            rows.append(row_of(model, first, pd.NA, overall, margin) | {"crossover": where})
    columns = [*row_of("", "", 0, (0, 0, 0, ""), margin), "crossover"]
    return pd.DataFrame(rows, columns=columns).astype({"seq_len": "Int64"})


def row_of(model, first, seq_len, ratio, margin):
    """One row of `ratios` from (ratio, low, high, method)."""
    value, low, high, method = ratio
    return {
        "model": model,
        "relative_to": first,
        "seq_len": seq_len,
        "ratio": value,
        "ratio_low": low,
        "ratio_high": high,
        "interval": method,
        "verdict": classify_ratio(low, high, margin),
    }


def crossing(n, low, high):
    """A crossover with its bounds, to two digits, which is what interpolation allows."""
    if math.isnan(low):
        return f"{n:.2g} tokens"
    bottom = "" if low == 0 else f"{low:,.0f}"
    top = "" if math.isinf(high) else f"{high:,.0f}"
    return f"{n:,.0f} tokens [{bottom}, {top}]"


def ratios_for_people(table):
    """The table with the columns that a reader wants first."""
    return pd.DataFrame(
        {
            "model": table["model"],
            "tokens": ["all" if pd.isna(n) else f"{n:,}" for n in table["seq_len"]],
            "time relative to " + (table["relative_to"].iloc[0] if len(table) else "the first"): [
                interval(r.ratio, r.ratio_low, r.ratio_high) for r in table.itertuples()
            ],
            "verdict": table["verdict"],
            "equal at": table["crossover"].fillna(""),
        }
    )
