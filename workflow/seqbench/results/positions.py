"""Tables `gradient_flow` and `attention`: what reaches, and what is looked at, at each position."""

import numpy as np
import pandas as pd

KEYS = ["model", "architecture", "seq_len"]
# How far a run has gone when its gradient is looked at: before training, half-way, at its end.
MOMENTS = {"before training": 0.0, "half-way": 0.5, "at the end": 1.0}


def over_seeds(shards, name, keys=KEYS):
    """A row per `keys` and position, counted from 1: median and range of the lists in column `name`."""
    rows = shards.reset_index(drop=True).dropna(subset=[name])[[*keys, name]].explode(name)
    rows["position"] = rows.groupby(level=0).cumcount() + 1
    values = rows.astype({name: float}).groupby([*keys, "position"], sort=False)[name]
    parts = {f"{name}_{part}": part for part in ("median", "min", "max")}
    return values.agg(n="size", **parts).reset_index()


def gradient_flow(shards):
    """Norm of d loss / d embedding, as a share of the last position's in the same run: one row per
    (model, seq_len, moment, position).

    `reference` is what the LSTM's initial forget gate f alone would leave, mean over units of
    f^(seq_len - position); NaN for other models.
    """
    shards = shards[
        shards["gradient_flow"].map(len) > 0
    ]  # of what could not be trained there is none
    parts = []
    for moment, progress in MOMENTS.items():
        flows = [flow[round(progress * (len(flow) - 1))] for flow in shards["gradient_flow"]]
        shares = [np.asarray(flow) / flow[-1] for flow in flows]
        parts.append(shards.assign(moment=moment, gradient=shares))
    by_model = pd.concat(parts).sort_index(kind="stable")
    table = over_seeds(by_model, "gradient", [*KEYS, "moment"])
    left = shards.assign(left=[left_by_gate(shard) for shard in shards.itertuples()])
    left = over_seeds(left, "left")[[*KEYS, "position", "left_median"]]
    return table.merge(left, how="left").rename(columns={"left_median": "reference"})


def left_by_gate(shard):
    """What the initial forget gate leaves of a gradient at each position; None without such a gate."""
    if shard.initial_forget_gate is None:
        return None
    distance = np.arange(shard.seq_len)[::-1]
    return (np.asarray(shard.initial_forget_gate)[:, None] ** distance).mean(axis=0)


def attention(shards):
    """Mean attention at the end: one row per (model, seq_len, position), for models that have it.

    A model that looks everywhere alike has `uniform` = 1 / seq_len.
    """
    return over_seeds(shards, "attention").assign(uniform=lambda table: 1 / table["seq_len"])
