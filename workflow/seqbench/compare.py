"""One run held against another: times, solved runs, verdicts, and what was different about them.

    python -m workflow.seqbench.compare RUN_A RUN_B

prints it for two run folders, each with a folder tables/. Times are compared in calibration
units, time of a call over that of a fixed kernel in the same process: what two machines share.
"""

import argparse
import math
import sys
from pathlib import Path

import pandas as pd
import yaml

from workflow.seqbench.log import UserError
from workflow.seqbench.sources import ROOT
from workflow.seqbench.stats import classify_ratio, compare_rates, log_ratio
from workflow.seqbench.tables import interval, markdown

ALPHA = 0.05  # below it, rates of solved runs differ
# Columns in which two cells must agree for their numbers to mean the same.
SETTINGS = {
    "timing": ["device", "batch_size", "d_model", "mode", "calls", "architecture", "parameters"],
    "recall": [
        "task",
        "vocabulary",
        "batch_size",
        "d_model",
        "budget_steps",
        "lr",
        "architecture",
        "parameters",
    ],
}
NUMBERS = {"timing": ["time_s", "calibration_s"], "recall": ["solved_step"]}
# Columns that may differ, and that the reader should know of where they do.
ENVIRONMENT = [
    "device_name",
    "cpu_model",
    "cpu_cores",
    "threads",
    "interop_threads",
    "governor",
    "kernel",
    "python",
    "torch",
    "git_commit",
    "git_dirty",
]
KEYS = ["model", "seq_len"]
COLUMNS = ["part", "name", *KEYS, "a", "b", "value", "low", "high", "p", "outcome"]


def compare(run_a, run_b, margin):
    """The table `compare`: one row a cell, a claim, or a difference; column `part` says which.

    value is the ratio of times A / B with low and high (part timing), or the difference of the
    solved shares, A - B, with Fisher's p (part recall). Ratios within `margin` of 1 are equal.
    """
    a, b = load(run_a), load(run_b)
    rows = []
    for experiment, rows_of in (("timing", timing_row), ("recall", recall_row)):
        if lacking := lacks(f"{experiment}_cells", a, b):
            rows.append({"part": "setting", "name": experiment, "outcome": lacking})
            continue
        pair = a[f"{experiment}_cells"], b[f"{experiment}_cells"]
        rows += cell_rows(experiment, *pair, lambda x, y, f=rows_of: f(x, y, margin))
        rows += environment_rows(experiment, *pair)
    if lacking := lacks("verdicts", a, b):
        rows.append({"part": "setting", "name": "claims", "outcome": lacking})
    else:
        rows += claim_rows(a["verdicts"], b["verdicts"])
    found = pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(ignore_index=True)
    texts = ["part", "name", "model", "a", "b", "outcome"]
    numbers = ["value", "low", "high", "p"]
    return found.astype(dict.fromkeys(numbers, "float64") | {"seq_len": "Int64"}).assign(
        **{column: found[column].fillna("").astype(str) for column in texts}
    )


def load(run):
    """{name: table} of a run's folder, of the tables that can be compared."""
    folder = Path(run) / "tables"
    if not Path(run).is_dir():
        raise UserError(f"there is no run to compare in {run}: the folder does not exist")
    needed = {f"{name}_cells": [*KEYS, "status", "config_digest"] for name in SETTINGS}
    for name in SETTINGS:
        needed[f"{name}_cells"] += SETTINGS[name] + NUMBERS[name] + ENVIRONMENT
    needed["verdicts"] = ["claim", "verdict", "condition", "rule"]
    found = {}
    for name, columns in needed.items():
        path = folder / f"{name}.parquet"
        if not path.is_file():
            continue
        try:
            found[name] = pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among them
            raise UserError(f"{path} cannot be read: {error}") from error
        if missing := [column for column in columns if column not in found[name]]:
            raise UserError(f"{path} is not a table of this version: no {', '.join(missing)}")
    if not found:
        names = ", ".join(f"{name}.parquet" for name in needed)
        raise UserError(f"there is no run to compare in {run}: {folder} has none of {names}")
    return found


def lacks(name, a, b):
    """Which of two runs lacks a table; empty where none does."""
    where = [side for side, run in (("A", a), ("B", b)) if name not in run]
    return f"not compared: no {name}.parquet in {' and '.join(where)}" if where else ""


def cell_rows(experiment, a, b, row_of):
    """A row for each (model, seq_len) of either run; `row_of` makes it where both have it alike."""
    cells = [dict(list(frame.groupby(KEYS, sort=False))) for frame in (a, b)]
    rows, settings = [], {}
    for key in dict.fromkeys([*cells[0], *cells[1]]):
        row = {"part": experiment, "name": experiment} | dict(zip(KEYS, key, strict=True))
        if missing := [side for side, own in zip("AB", cells, strict=True) if key not in own]:
            rows.append(row | {"outcome": "only in B" if missing == ["A"] else "only in A"})
            continue
        pair = [own[key] for own in cells]
        differ = differences(SETTINGS[experiment], *pair)
        differ = {name: values for name, values in differ.items() if all(values)}
        for name, values in differ.items():
            settings.setdefault((name, *values), []).append(key)
        if differ:
            rows.append(row | {"outcome": f"not comparable: {', '.join(differ)}"})
        else:
            rows.append(row | row_of(*pair))
            if other := differences(["config_digest"], *pair):
                settings.setdefault(("settings without a column", "", ""), []).append(key)
                rows[-1]["outcome"] += " (other settings)" if other else ""
    total = len(rows)
    for (name, one, other), keys in settings.items():
        where = f"{len(keys)} of {total} cells"
        verb = "not comparable" if name in SETTINGS[experiment] else "compared, differently set up"
        rows.append(
            {"part": "setting", "name": f"{experiment}: {name}", "a": one, "b": other}
            | {"outcome": f"{verb}: {where}"}
        )
    return rows


def differences(columns, a, b):
    """{column: (values in a, values in b)} where they differ."""
    values = {column: (listed(a[column]), listed(b[column])) for column in columns}
    return {column: (x, y) for column, (x, y) in values.items() if x != y}


def listed(values):
    """Distinct values as text; empty where nothing is known."""
    return ", ".join(sorted({readable(value) for value in values.dropna()}))


def readable(value):
    """A setting as text; a whole number that pandas keeps as a float is one."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def timing_row(a, b, margin):
    """Ratio of times in calibration units; the processes of two runs are no pairs."""
    units = [(cells["time_s"] / cells["calibration_s"]).dropna() for cells in (a, b)]
    ratio, low, high, _ = log_ratio(*units, paired=False)
    kind = classify_ratio(low, high, margin)
    outcome = {"faster": "A faster", "slower": "A slower"}.get(kind, kind)
    if failed := [
        f"{side} {listed(cells['status'])}"
        for side, cells, own in zip("AB", (a, b), units, strict=True)
        if own.empty
    ]:
        outcome = f"no time: {', '.join(failed)}"
    said = [f"{own.median():.3g} (n = {len(own)})" for own in units]
    return dict(zip("ab", said, strict=True)) | {
        "value": ratio,
        "low": low,
        "high": high,
        "outcome": outcome,
    }


def recall_row(a, b, margin):
    """Solved runs of both, with Fisher's exact test; `margin` is for times."""
    counts = [(int(cells["solved_step"].notna().sum()), len(cells)) for cells in (a, b)]
    difference, p = compare_rates(*counts[0], *counts[1])
    _, least = compare_rates(len(a), len(a), 0, len(b))
    if least > ALPHA:
        outcome = "not enough runs"
    elif p > ALPHA:
        outcome = "no difference shown"
    else:
        outcome = "A solves more" if difference > 0 else "A solves less"
    said = [f"{solved} of {n}" for solved, n in counts]
    return dict(zip("ab", said, strict=True)) | {"value": difference, "p": p, "outcome": outcome}


def environment_rows(experiment, a, b):
    """A row for each column of the environment in which the runs differ."""
    return [
        {"part": "environment", "name": f"{experiment}: {name}", "a": one, "b": other}
        | {"outcome": "differs"}
        for name, (one, other) in differences(ENVIRONMENT, a, b).items()
    ]


def claim_rows(a, b):
    """A row for each claim of either run: do the verdicts agree?"""
    a, b = (verdicts.set_index("claim") for verdicts in (a, b))
    rows = []
    for claim in dict.fromkeys([*a.index, *b.index]):
        if claim not in a.index or claim not in b.index:
            outcome = "only in A" if claim in a.index else "only in B"
            rows.append({"part": "claim", "name": claim, "outcome": outcome})
            continue
        one, other = a.loc[claim], b.loc[claim]
        verdicts = one["verdict"], other["verdict"]
        if one["rule"] != other["rule"]:
            outcome = "not comparable: judged by another rule"
        elif verdicts[0] != verdicts[1]:
            outcome = "open" if "inconclusive" in verdicts else "disagrees"
        else:
            same = one["condition"] == other["condition"]
            outcome = "agrees" if same else "agrees, under other conditions"
        rows.append(
            {"part": "claim", "name": claim, "a": verdicts[0], "b": verdicts[1], "outcome": outcome}
        )
    return rows


def for_people(found, a, b):
    """The comparison as Markdown; `a` and `b` say what the two runs are."""
    parts = [f"A: {a}. B: {b}.", summary(found)]
    sections = (
        ("setting", "Where they are not comparable", {"name": "what"}, ["a", "b", "outcome"]),
        ("claim", "Verdicts", {"name": "claim"}, ["a", "b", "outcome"]),
        ("timing", "Time in calibration units", {}, ["a", "b", "A / B", "outcome"]),
        ("recall", "Runs that solved the task", {}, ["a", "b", "p", "outcome"]),
        ("environment", "What else differs", {"name": "what"}, ["a", "b"]),
    )
    for part, title, keys, columns in sections:
        rows = found[found["part"] == part]
        if rows.empty:
            continue
        if part == "timing":
            ratios = zip(rows["value"], rows["low"], rows["high"], strict=True)
            rows = rows.assign(
                **{"A / B": ["–" if math.isnan(row[0]) else interval(*row) for row in ratios]}
            )
        shown = rows[[*(keys or KEYS), *columns]]
        parts.append(f"## {title}\n\n{markdown(shown.rename(columns=keys | {'a': 'A', 'b': 'B'}))}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def summary(found):
    """What came of it, a line for each part."""
    lines = []
    for part, what in (("timing", "timing cells"), ("recall", "recall cells"), ("claim", "claims")):
        rows = found[found["part"] == part]
        short = rows["outcome"].str.replace(r"( \(|:).*", "", regex=True)
        counts = [f"{count} {outcome}" for outcome, count in short.value_counts().items()]
        lines.append(f"- {len(rows)} {what}: {', '.join(counts) or 'none'}")
    for row in found[found["part"] == "setting"].itertuples():
        values = f" is {row.a} in A, {row.b} in B" if row.a or row.b else ""
        lines.append(f"- {row.name}{values}; {row.outcome}")
    return "\n".join(lines)


def main(arguments=None):
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.seqbench.compare", description=__doc__
    )
    parser.add_argument("run_a", help="a run's folder, such as results")
    parser.add_argument("run_b", help="another one, such as results/reference/cpu")
    given = parser.parse_args(arguments)
    claims = yaml.safe_load((ROOT / "workflow/claims.yaml").read_text())
    try:
        found = compare(given.run_a, given.run_b, claims["thresholds"]["margin"])
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(for_people(found, given.run_a, given.run_b), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
