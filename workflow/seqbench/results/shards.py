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
    table = pa.Table.from_pylist([row], schema=schema)
    if wrong := wrong_values(table, schema):
        raise ShardError(f"{path}: {'; '.join(sentence for _, sentence in wrong)}")
    about = {
        "provenance": json.dumps({**parameters, "command": again(path)}, sort_keys=True),
        "asked": sealing.asked(parameters),
    }
    sealing.save(table.replace_schema_metadata({**schema.metadata, **about}), path)


def wrong_values(table, schema):
    """[(row, sentence)], one for each column of an Arrow table with a value that shards.yaml forbids."""
    wrong, diverged = [], table["status"].to_numpy() == "diverged"
    for name, (_, _, _, limit) in columns(schema.metadata[b"kind"].decode()).items():
        if limit is None:
            continue
        column, rows = table[name].combine_chunks(), np.arange(len(table))
        if pa.types.is_list(column.type):
            column, rows = column.flatten(), column.value_parent_indices().to_numpy()
        rows = rows[column.is_valid().to_numpy(zero_copy_only=False)]
        values = column.drop_null().to_numpy(zero_copy_only=False)
        if isinstance(limit, list):
            right, form, words = np.isin(values, limit), repr, f"allowed: {', '.join(limit)}"
        else:
            words, allowed = LIMITS[limit]
            right = np.where(np.isfinite(values), allowed(values), diverged[rows])
            form, words = "{:g}".format, f"it must be {words}"
        for i in np.flatnonzero(~right)[:1]:
            wrong.append((rows[i], f"{name} is {form(values[i])}; {words}"))
    return wrong
