"""Tables `gradient_flow` and `attention`: what reaches, and what is looked at, at each position."""

import numpy as np
import pandas as pd

KEYS = ["model", "architecture", "seq_len"]
# How far a run has gone when its gradient is looked at: before training, half-way, at its end.
MOMENTS = {"before training": 0.0, "half-way": 0.5, "at the end": 1.0}
FLOW = [*KEYS, "position", "n", "gradient_median", "gradient_min", "gradient_max", "moment"]
ATTENTION = [
    *KEYS,
    "position",
    "n",
    "attention_median",
    "attention_min",
    "attention_max",
    "uniform",
]


def over_seeds(values, name):
    """A row per position, counted from 1, with median and range of an array (seeds, seq_len)."""
    return pd.DataFrame(
        {
            "position": np.arange(1, values.shape[1] + 1),
            "n": len(values),
            f"{name}_median": np.median(values, axis=0),
            f"{name}_min": values.min(axis=0),
            f"{name}_max": values.max(axis=0),
        }
    )


def stack(groups, columns):
    """The tables of all groups under each other, each with its keys; the columns if there are none."""
    parts = [rows.assign(**dict(zip(KEYS, key, strict=True))) for key, rows in groups]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return frame[[*KEYS, *(column for column in frame if column not in KEYS)]]


def gradient_flow(shards):
    """Norm of d loss / d embedding: one row per (model, seq_len, moment, position).

    `reference` is what the LSTM's initial forget gate f alone would leave of the last position's
    gradient, mean over units of f^(seq_len - position); NaN for other models.
    """

    def moments(group):
        gates = [np.asarray(gate) for gate in group["initial_forget_gate"] if gate is not None]
        for moment, progress in MOMENTS.items():
            flows = [flow[round(progress * (len(flow) - 1))] for flow in group["gradient_flow"]]
            rows = over_seeds(np.array([*map(np.asarray, flows)]), "gradient")
            last, distance = (
                rows["gradient_median"].iloc[-1],
                len(rows) - rows["position"].to_numpy(),
            )
            left = [(gate[:, None] ** distance).mean(axis=0) for gate in gates]
            reference = np.median(left, axis=0) * last if gates else np.nan
            yield rows.assign(moment=moment, reference=reference)

    groups = shards.groupby(KEYS, sort=False)
    return stack(((key, rows) for key, group in groups for rows in moments(group)), FLOW)


def attention(shards):
    """Mean attention at the end: one row per (model, seq_len, position), for models that have it.

    A model that looks everywhere alike has `uniform` = 1 / seq_len.
    """
    groups = shards[shards["attention"].notna()].groupby(KEYS, sort=False)
    weights = ((key, np.array([*map(np.asarray, group["attention"])])) for key, group in groups)
    rows = ((key, over_seeds(w, "attention").assign(uniform=1 / key[2])) for key, w in weights)
    return stack(rows, ATTENTION)
