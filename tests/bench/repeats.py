"""Do repeated runs say the same about time?  python -m tests.bench.repeats RUN RUN [RUN ...]

Each RUN is the folder of a complete run. The aims: the half-width of every ratio at most 5 % and of
every slope at most 0.05; the same verdict on every claim; no claim about time inconclusive; ratios of
two runs that differ at p < 0.05 in at most 5 % of the cells.
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


def main(folders):
    runs = {folder: Run.of_files(Path(folder).glob("tables/*.parquet")) for folder in folders}
    print(tables.markdown(pd.DataFrame([widths(name, run) for name, run in runs.items()])))
    print(tables.markdown(verdicts(runs)))
    pairs = itertools.combinations(runs.items(), 2)
    print(tables.markdown(pd.DataFrame([differences(*pair) for pair in pairs])))


def widths(name, run):
    """How wide a run's intervals are; those at single lengths, the reference's own left out."""
    ratios, scaling = run.table("ratios"), run.table("scaling")
    ratios = ratios[ratios["seq_len"].notna() & (ratios["model"] != ratios["relative_to"])]
    ratio = np.sqrt(ratios["ratio_high"] / ratios["ratio_low"]) - 1
    slope = (scaling["slope_high"] - scaling["slope_low"]) / 2
    return {
        "run": name,
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
        if name.endswith("_cells") and "reference_time_s" in a[1].table(name):
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
    cells = cells[cells["reference_time_s"].notna() & (cells["calls"] == "steady")]
    logs = np.log(cells["time_s"] / cells["reference_time_s"])
    return {key: group for key, group in logs.groupby([cells["model"], cells["seq_len"]])}


if __name__ == "__main__":
    main(sys.argv[1:])
