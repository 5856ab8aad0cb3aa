"""One run held against another: times, solved runs, verdicts, and what was different about them.

    python -m workflow.seqbench.judging.compare RUN_A RUN_B

prints it for two run folders, each with a folder tables/. Times are compared in calibration
units, time of a call over that of a fixed kernel in the same process: what two machines share.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from workflow.seqbench.log import UserError
from workflow.seqbench.results.measures import cut_short, ratio
from workflow.seqbench.results.selecting import Selection, read_table
from workflow.seqbench.results.statistics import classify_ratio, compare_rates
from workflow.seqbench.showing import tables

ALPHA = 0.05  # below it, rates of solved runs differ
MARGIN = 0.05  # two times within this of each other are no difference
KEYS = ["model", "seq_len"]
# What must agree for the numbers of two cells to mean the same, and the number that is compared.
SETTINGS = {
    "timing": ["device", "workload", "batch_size", "d_model", "mode", "calls"],
    "recall": ["task", "vocabulary", "batch_size", "d_model", "budget_steps", "lr"],
}
NUMBER = {"timing": "time_calibrated", "recall": "solved_step"}
MODEL = ["architecture", "parameters"]
# What may differ, and what the reader should know of where it does.
ENVIRONMENT = ["device_name", "cpu_model", "cpu_cores", "threads", "interop_threads", "governor"]
ENVIRONMENT += ["kernel", "python", "torch", "git_commit", "git_dirty"]
COLUMNS = ["part", "name", *KEYS, "a", "b", "value", "low", "high", "p", "outcome"]
OPEN = {"inconclusive", "holds where decided", "fails where decided"}


def compare(run_a, run_b, margin=MARGIN):
    """The table `compare`: one row per cell, claim or difference; column `part` says which.

    value is the ratio of times A / B with low and high (part timing), or the difference of the
    solved shares, A - B, with Fisher's p (part recall). Ratios within `margin` of 1 are equal.
    """
    a, b = load(run_a), load(run_b)
    rows = []
    for part in ("timing", "recall", "claims"):
        name = "verdicts" if part == "claims" else f"{part}_cells"
        if absent := [side for side, run in (("A", a), ("B", b)) if name not in run]:
            outcome = f"not compared: no {name}.parquet in {' and '.join(absent)}"
            rows.append({"part": part, "outcome": outcome})
            continue
        pair = a[name], b[name]
        if part == "claims":
            rows += claim_rows(*pair)
            continue
        rows += cell_rows(part, *pair, margin)
        for column, (x, y) in differences(ENVIRONMENT, *pair).items():
            one = {"part": "environment", "name": f"{part}: {column}", "a": x, "b": y}
            rows.append(one | {"outcome": "differs"})
    table = pd.DataFrame(rows, columns=COLUMNS)
    texts = ["part", "name", "model", "a", "b", "outcome"]
    numbers = dict.fromkeys(["value", "low", "high", "p"], float)
    return table.fillna(dict.fromkeys(texts, "")).astype(numbers | {"seq_len": "Int64"})


def load(run):
    """{name: table} of a run's folder, of the tables that can be compared."""
    needed = {"verdicts": ["claim", "verdict", "depends_on", "rule"]}
    for part, settings in SETTINGS.items():
        needed[f"{part}_cells"] = [*KEYS, "status", "config_digest", NUMBER[part], *settings]
        needed[f"{part}_cells"] += [*MODEL, *ENVIRONMENT]
    needed["recall_cells"] += ["steps"]  # done, of those allowed
    loaded = {}
    for name, columns in needed.items():
        path = Path(run, f"tables/{name}.parquet")
        if not path.is_file():
            continue
        loaded[name] = read_table(path)
        if lacking := [column for column in columns if column not in loaded[name]]:
            raise UserError(f"{path} is not a table of this version: no {', '.join(lacking)}")
    if not loaded:
        tables = f"{run}/tables has none of {', '.join(needed)}"
        raise UserError(f"there is no run to compare in {run}: {tables}")
    return loaded


def cell_rows(part, a, b, margin):
    """A row for each (model, seq_len) of either run; cells made otherwise are not compared."""
    groups = [dict(list(frame.groupby(KEYS, sort=False))) for frame in (a, b)]
    for key in dict.fromkeys([*groups[0], *groups[1]]):
        row = {"part": part, "name": part} | dict(zip(KEYS, key, strict=True))
        if absent := [side for side, cells in zip("AB", groups, strict=True) if key not in cells]:
            yield row | {"outcome": "only in B" if absent == ["A"] else "only in A"}
            continue
        pair = [cells[key] for cells in groups]
        settings = differences(SETTINGS[part] + MODEL, *pair)
        # Of a cell that failed some things are not known.
        if known := {column: values for column, values in settings.items() if all(values)}:
            unlike = (f"{column} is {x} in A, {y} in B" for column, (x, y) in known.items())
            yield row | {"outcome": f"not comparable: {'; '.join(unlike)}"}
            continue
        row |= time_columns(*pair, margin) if part == "timing" else solved_columns(*pair)
        if differences(["config_digest"], *pair):
            row["outcome"] += " (other settings)"
        yield row


def differences(columns, a, b):
    """{column: (values in a, values in b)} where they differ."""
    values = {column: (distinct(a[column]), distinct(b[column])) for column in columns}
    return {column: (x, y) for column, (x, y) in values.items() if x != y}


def distinct(values):
    """Distinct values as text; empty where nothing is known. A whole number kept as a float is one."""
    texts = {f"{v:.12g}" if isinstance(v, float) else str(v) for v in values.dropna()}
    return ", ".join(sorted(texts))


def time_columns(a, b, margin):
    """Ratio of times in calibration units; the processes of two runs are no pairs."""
    estimate = ratio(Selection("A", a), Selection("B", b), of=NUMBER["timing"])
    times = [cells[NUMBER["timing"]].dropna() for cells in (a, b)]
    outcome = classify_ratio(estimate.low, estimate.high, margin)
    outcome = f"A {outcome}" if outcome in ("faster", "slower") else outcome
    sides = zip("AB", (a, b), times, strict=True)
    failed = [f"{side} {distinct(cells['status'])}" for side, cells, time in sides if time.empty]
    if failed:
        outcome = f"no time: {', '.join(failed)}"
    x, y = (f"{time.median():.3g} (n = {len(time)})" for time in times)
    bounds = dict(zip(("value", "low", "high"), estimate[:3], strict=True))
    return {"a": x, "b": y, "outcome": outcome} | bounds


def solved_columns(a, b):
    """Solved runs of both, with Fisher's exact test.

    A run that ended before its budget may have been about to be solved: where that matters, the
    comparison is open. p is that of the less clear case.
    """
    solved = [int(cells["solved_step"].notna().sum()) for cells in (a, b)]
    unknown = [int(cut_short(cells).sum()) for cells in (a, b)]
    least = solved[0], len(a), solved[1] + unknown[1], len(b)
    most = solved[0] + unknown[0], len(a), solved[1], len(b)
    outcomes = {rates_differ(*least), rates_differ(*most)}
    outcome = outcomes.pop() if len(outcomes) == 1 else f"open: {sum(unknown)} runs were cut short"
    x, y = (f"{count} of {len(cells)}" for count, cells in zip(solved, (a, b), strict=True))
    difference, _ = compare_rates(solved[0], len(a), solved[1], len(b))
    p = max(compare_rates(*least)[1], compare_rates(*most)[1])
    return {"a": x, "b": y, "value": difference, "p": p, "outcome": outcome}


def rates_differ(solved_a, n_a, solved_b, n_b):
    """What these rates of solved runs say, in words."""
    difference, p = compare_rates(solved_a, n_a, solved_b, n_b)
    if compare_rates(n_a, n_a, 0, n_b)[1] > ALPHA:
        return "not enough runs"
    if p > ALPHA:
        return "no difference shown"
    return "A solves more" if difference > 0 else "A solves less"


def claim_rows(a, b):
    """A row for each claim of either run: do the verdicts agree?"""
    merged = a.merge(b, on="claim", how="outer", suffixes=("_a", "_b"), indicator="side")
    order = list(dict.fromkeys([*a["claim"], *b["claim"]]))  # an outer merge sorts them by name
    merged = merged.set_index("claim").loc[order].reset_index()
    for row in merged.itertuples():
        if row.side != "both":
            outcome = "only in A" if row.side == "left_only" else "only in B"
        elif row.rule_a != row.rule_b:
            outcome = "not comparable: judged by another rule"
        elif row.verdict_a != row.verdict_b:
            outcome = "open" if {row.verdict_a, row.verdict_b} & OPEN else "disagrees"
        else:
            same = row.depends_on_a == row.depends_on_b
            outcome = "agrees" if same else "agrees, under other conditions"
        words = {"a": row.verdict_a, "b": row.verdict_b}
        yield {"part": "claims", "name": row.claim, "outcome": outcome} | words


def as_markdown(table, a, b):
    """The comparison as Markdown: what came of it, then every row; `a` and `b` name the runs."""
    lines = [f"A: {a}. B: {b}.", ""]
    for part, rows in table.groupby("part", sort=False):
        short = rows["outcome"].str.replace(r"( \(|:).*", "", regex=True)
        counts = [f"{count} {outcome}" for outcome, count in short.value_counts().items()]
        lines.append(f"- {part}: {', '.join(counts)}")
    return "\n".join([*lines, "", tables.markdown(tables.view("compare", table))])


def main(arguments=None):
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m workflow.seqbench.judging.compare", description=__doc__
    )
    parser.add_argument("run_a", help="a run's folder, such as results")
    parser.add_argument("run_b", help="another one, such as results/reference/cpu")
    chosen = parser.parse_args(arguments)
    try:
        table = compare(chosen.run_a, chosen.run_b)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(as_markdown(table, chosen.run_a, chosen.run_b), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
