"""Shards: one Parquet file of one row per cell, sealed, written whole or not at all, checked on reading."""

import json

import numpy as np
import pyarrow as pa

from workflow.seqbench.log import UserError, again
from workflow.seqbench.results import sealing
from workflow.seqbench.results.schemas import columns

LIMITS = {
    "positive": ("greater than 0", lambda x: x > 0),
    "not negative": ("0 or more", lambda x: x >= 0),
    "share": ("from 0 to 1", lambda x: (x >= 0) & (x <= 1 + 1e-6)),  # sums are rounded
}


class ShardError(UserError):
    """A shard is missing, damaged, of another schema, or not the cell it should be."""


def write(row, schema, path, parameters):
    """Write a cell's row (a dict with every column) to `path`.

    A job that dies, or runs twice, never leaves half a shard. `parameters` are what the cell was
    asked for; they go into the file's metadata, and their digest (`sealing`) with them.
    """
    if unknown := set(row) - set(schema.names):
        raise ShardError(f"{path}: columns that the schema lacks: {', '.join(sorted(unknown))}")
    if missing := [f.name for f in schema if not f.nullable and row.get(f.name) is None]:
        raise ShardError(f"{path}: no value for {', '.join(missing)}")
    if wrong := wrong_values(row, schema):
        raise ShardError(f"{path}: {'; '.join(wrong)}")
    about = {
        "provenance": json.dumps({**parameters, "command": again(path)}, sort_keys=True),
        "asked": sealing.asked(parameters),
    }
    table = pa.Table.from_pylist([row], schema=schema)
    sealing.save(table.replace_schema_metadata({**schema.metadata, **about}), path)


def wrong_values(row, schema):
    """A sentence for each value of a row that workflow/schemas/shards.yaml does not allow."""
    sentences = []
    for name, (_, _, _, limit) in columns(schema.metadata[b"kind"].decode()).items():
        if limit is None or (value := row.get(name)) is None:
            continue
        if isinstance(limit, list):
            if value not in limit:
                sentences.append(f"{name} is {value!r}; allowed: {', '.join(limit)}")
            continue
        words, allowed = LIMITS[limit]
        values = np.ravel(value).astype(float)
        finite = np.isfinite(values)
        right = allowed(values) & finite
        if row["status"] == "diverged":
            right |= ~finite
        if not right.all():
            sentences.append(f"{name} is {values[~right][0]:g}; it must be {words}")
    return sentences
