"""Do repeated runs say the same?  python -m tests.bench.repeats RUN RUN [RUN ...]

Each RUN is the folder of a complete run. The aims: the half-width of every ratio at most 5 % and of
every slope at most 0.05; the same verdict on every claim; no claim about time inconclusive; ratios of
two runs that differ at p < 0.05 in at most 5 % of the cells; flags on less than 5 % of the timing cells;
evaluation below 5 % of a training. Cold calls are single calls, for which no aim is set: they stand apart.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables

RATIO, SLOPE, ALPHA = 0.05, 0.05, 0.05
CELL = ["experiment", "model", "seq_len", "seed"]


def main(folders):
    runs = {folder: Run.of_files(Path(folder).glob("tables/*.parquet")) for folder in folders}
    rows = [widths(name, run, calls) for name, run in runs.items() for calls in ("steady", "cold")]
    print(tables.markdown(pd.DataFrame(rows)))
    print(tables.markdown(pd.DataFrame([shares(name, run) for name, run in runs.items()])))
    print(tables.markdown(verdicts(runs)))
    pairs = [*itertools.combinations(runs.items(), 2)]
    print(tables.markdown(pd.DataFrame([differences(*pair) for pair in pairs])))
    print(tables.markdown(pd.DataFrame([trainings(*pair) for pair in pairs])))


def timed(run):
    """{experiment: its table of cells} of those that time a call."""
    names = [name for name in sorted(run.tables) if name.endswith("_cells")]
    cells = {name.removesuffix("_cells"): run.table(name) for name in names}
    return {name: frame for name, frame in cells.items() if "calls" in frame}


def shares(name, run):
    """How many of a run's timing cells have a flag or a neighbour, and what of trainings is evaluation."""
    cells = pd.concat(timed(run).values())
    flagged, steady = cells["flags"] != "", cells["calls"] == "steady"
    slowed = sum(tables.slowed(part) for part in timed(run).values())
    trained = run.table("recall_cells")
    evaluation, training = trained["evaluation_s"].sum(), trained["training_s"].sum()
    return {
        "run": name,
        "flagged": f"{flagged[steady].mean():.1%}",
        "of cells": steady.sum(),
        "slowed": f"{slowed} of {len(cells)}",
        "flagged of cold ones": f"{flagged[~steady].mean():.1%}",
        "evaluation of recall": f"{evaluation / (training + evaluation):.1%}",
    }


def widths(name, run, calls):
    """How wide a run's intervals are; those at single lengths, the reference's own left out."""
    names = [experiment for experiment, cells in timed(run).items() if calls in set(cells["calls"])]
    ratios, scaling = (
        table[table["experiment"].isin(names)] for table in map(run.table, ("ratios", "scaling"))
    )
    ratios = ratios[ratios["seq_len"].notna() & (ratios["model"] != ratios["relative_to"])]
    ratio = np.sqrt(ratios["ratio_high"] / ratios["ratio_low"]) - 1
    slope = (scaling["slope_high"] - scaling["slope_low"]) / 2
    return {
        "run": name,
        "calls": calls,
        "ratios": ratio.count(),
        f"above {RATIO:.0%}": (ratio > RATIO).sum(),
        "median half-width": f"{ratio.median():.1%}",
        "widest": f"{ratio.max():.1%}",
        "slopes": slope.count(),
        f"above {SLOPE}": (slope > SLOPE).sum(),
        "widest slope": f"{slope.max():.3f}",
    }


def verdicts(runs):
    """The verdict of each run on each claim."""
    columns = [run.table("verdicts").set_index("claim")["verdict"] for run in runs.values()]
    table = pd.concat(columns, axis=1, keys=runs)
    return table.assign(same=table.nunique(axis=1) == 1).reset_index()


def differences(a, b):
    """How many cells' ratios differ between two runs, by Welch's test on the logs."""
    p = []
    for name in sorted(a[1].tables):
        if name.endswith("_cells") and "over_reference" in a[1].table(name):
            groups = [by_cell(run.table(name)) for run in (a[1], b[1])]
            p += [
                stats.ttest_ind(groups[0][cell], groups[1][cell], equal_var=False).pvalue
                for cell in groups[0].keys() & groups[1].keys()
            ]
    p = np.array(p)[np.isfinite(p)]
    return {
        "runs": f"{a[0]}, {b[0]}",
        "cells": len(p),
        f"differ at p < {ALPHA}": f"{(p < ALPHA).mean():.1%}",
        "smallest p": p.min(),
    }


def by_cell(cells):
    """{(model, seq_len): log ratios of its processes}."""
    cells = cells[cells["over_reference"].notna() & (cells["calls"] == "steady")]
    logs = np.log(cells["over_reference"])
    return {key: group for key, group in logs.groupby([cells["model"], cells["seq_len"]])}


def trainings(a, b):
    """How alike trainings of the same seeds come out in two runs, which is bit for bit on one kind of CPU."""
    steps = [pd.concat(map(solved_steps, trained(run))) for run in (a[1], b[1])]
    first, second = steps[0].align(steps[1], join="inner")
    apart = np.abs(np.log(first / second).dropna())
    return {
        "runs": f"{a[0]}, {b[0]}",
        "trainings": len(first),
        "solved": f"{first.count()}, {second.count()}",
        "solved alike": (first.notna() == second.notna()).sum(),
        "same steps": f"{(apart == 0).sum()} of {len(apart)}",
        "steps apart, median": f"{np.expm1(apart.median()):.0%}",
        "one in ten": f"{np.expm1(apart.quantile(0.9)):.0%}",
    }


def trained(run):
    """The tables of cells that train, without sweeps, which have several cells of a seed."""
    tables = [run.table(name) for name in sorted(run.tables) if name.endswith("_cells")]
    return [t for t in tables if "solved_step" in t and not t.duplicated(CELL).any()]


def solved_steps(cells):
    """Steps to solve of each cell, NaN where it was not."""
    return cells.set_index(CELL)["solved_step"].astype(float)


if __name__ == "__main__":
    main(sys.argv[1:])
