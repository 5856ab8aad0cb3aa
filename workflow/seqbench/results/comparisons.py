"""Tables `ratios` and `scaling`: how models compare with the reference, and how their times grow."""

import pandas as pd

from workflow.seqbench.results.measures import crossing, law, mean_ratio, overtakes, ratio, slope
from workflow.seqbench.results.selecting import select
from workflow.seqbench.results.statistics import classify_ratio

RATIO = ["experiment", "model", "relative_to", "seq_len", "ratio", "ratio_low", "ratio_high"]
RATIO += ["n", "interval", "verdict", "equal_at", "equal_low", "equal_high", "equal_note"]

SCALING = ["experiment", "model", "n", "slope", "slope_low", "slope_high", "over", "interval"]
SCALING += ["a_s", "b_s_per_token", "c_s_per_token2", "misfit", "overtakes_at"]


def ratios(run, experiments, margin):
    """Each model's time over the reference's: a row per (experiment, model, seq_len).

    The reference is the model that took turns with each, or else the first one; its own row is the
    noise floor, and is left out where it did not take turns with itself. One more row for all
    lengths (seq_len empty) holds the mean ratio, and the length in the measured range at which both
    take the same time. Two times within `margin` of each other are equal.
    """
    rows = []
    for experiment in experiments:
        models = run.table(f"{experiment}_cells")["model"].unique()
        first = select(run, experiment, models[0])
        name = first.reference or models[0]
        reference = select(run, experiment, name)
        for model in models:
            selection = select(run, experiment, model)
            in_turns = "reference_time_s" in selection.cells
            if model == name and not (in_turns and selection.cells["reference_time_s"].any()):
                continue
            lengths = set(selection.cells["seq_len"]) & set(reference.cells["seq_len"])
            lengths = lengths or set(selection.cells["seq_len"])
            pair = {n: ratio(selection.at(n), reference.at(n)) for n in sorted(lengths)}
            pair[pd.NA] = mean_ratio(selection, reference)
            equal = crossing(selection, reference)
            for seq_len, estimate in pair.items():
                row = [experiment, model, name, seq_len, *estimate[:4], estimate.method]
                row.append(classify_ratio(estimate.low, estimate.high, margin))
                row += [*equal[:3], equal.method] if seq_len is pd.NA else [None] * 4
                rows.append(row)
    numbers = dict.fromkeys(["equal_at", "equal_low", "equal_high"], float)
    return pd.DataFrame(rows, columns=RATIO).astype({"seq_len": "Int64"} | numbers)


def scaling(run, experiments):
    """How times grow: a row per (experiment, model), slope over the longest lengths and fitted law."""
    rows = []
    for experiment in experiments:
        for model in run.table(f"{experiment}_cells")["model"].unique():
            selection = select(run, experiment, model)
            growth, fit = slope(selection), law(selection)
            row = [experiment, model, growth.n, *growth[:3], growth.where, growth.method]
            rows.append([*row, fit.a, fit.b, fit.c, fit.misfit, overtakes(selection).value])
    return pd.DataFrame(rows, columns=SCALING)
