"""Shards: one Parquet file of one row per cell, written whole or not at all, checked on reading."""

import json
import os
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.seqbench.log import UserError


class ShardError(UserError):
    """A shard is missing, damaged, of another schema, or not the cell it should be."""


def write(row, schema, path, provenance):
    """Write a cell's row (a dict with every column) to `path`, by way of a temporary file.

    A job that dies, or runs twice, never leaves half a shard. `provenance` (JSON) goes into the
    file's metadata.
    """
    if unknown := set(row) - set(schema.names):
        raise ShardError(f"{path}: columns that the schema lacks: {', '.join(sorted(unknown))}")
    if missing := [f.name for f in schema if not f.nullable and row.get(f.name) is None]:
        raise ShardError(f"{path}: no value for {', '.join(missing)}")
    table = pa.Table.from_pylist([row], schema=schema)
    table = table.replace_schema_metadata(
        {**schema.metadata, b"provenance": json.dumps(provenance, sort_keys=True).encode()}
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # two nodes may have one pid
    pq.write_table(table, temporary)
    os.replace(temporary, path)
