"""Shards: one Parquet file of one row for each cell, written whole or not at all, checked on reading."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.seqbench.log import UserError

CELL = ("model", "seq_len", "seed")


class ShardError(UserError):
    """A shard is missing, damaged, of another schema, or not the cell it should be."""


def column(name, kind, unit_or_meaning, nullable=False):
    """A schema column whose metadata says what it holds."""
    return pa.field(name, kind, nullable, {"description": unit_or_meaning})


def cell_of(wildcards):
    """The cell that a job's wildcards name, as a dict of the keys in CELL."""
    return {
        "model": wildcards.model,
        "seq_len": int(wildcards.seq_len),
        "seed": int(wildcards.seed),
    }


def cell_schema(experiment, fields):
    """Schema of an experiment's shards: the cell's keys, status and machine, then its own fields."""
    lists = pa.list_(pa.string())
    return pa.schema(
        [
            column("experiment", pa.string(), "name of the experiment"),
            column("model", pa.string(), "name of the model in config.yaml"),
            column("architecture", pa.string(), "architecture of the model"),
            column("seq_len", pa.int64(), "tokens"),
            column("seed", pa.int64(), "seed of the cell; each seed is a process of its own"),
            column("status", pa.string(), "ok, or why the cell has no result"),
            column("error", pa.string(), "message behind a status other than ok", True),
            *fields,
            column("flags", lists, "reasons to read the numbers with care"),
            column("device", pa.string(), "cpu or cuda"),
            column("device_name", pa.string(), "CPU or GPU model"),
            column("cpu_model", pa.string(), "CPU model"),
            column("cpu_cores", pa.int64(), "cores this process may run on"),
            column("threads", pa.int64(), "torch intra-op threads in force"),
            column("interop_threads", pa.int64(), "torch inter-op threads in force"),
            column("governor", pa.string(), "CPU frequency governor", True),
            column("kernel", pa.string(), "operating system and kernel"),
            column("python", pa.string(), "Python version"),
            column("torch", pa.string(), "torch version and build"),
            column("git_commit", pa.string(), "commit of the working tree", True),
            column("git_dirty", pa.bool_(), "the working tree had uncommitted changes", True),
            column("config_digest", pa.string(), "sha256 of the cell's parameters, 12 digits"),
            column("started_at", pa.string(), "UTC, ISO 8601"),
            column("load_start", pa.float64(), "1-minute load average before"),
            column("load_end", pa.float64(), "1-minute load average after"),
            column("busy_cores", pa.float64(), "cores kept busy by other processes, mean"),
        ],
        metadata={"experiment": experiment, "schema_version": "1"},
    )


def write(row, schema, path, provenance):
    """Write a cell's row (a dict with every column) to `path`, by way of a temporary file.

    A job that dies, or runs twice, never leaves half a shard. `provenance` (JSON) goes into the
    file's metadata.
    """
    if extra := set(row) - set(schema.names):
        raise ShardError(f"{path}: columns that the schema lacks: {', '.join(sorted(extra))}")
    if lacking := [f.name for f in schema if not f.nullable and row.get(f.name) is None]:
        raise ShardError(f"{path}: no value for {', '.join(lacking)}")
    table = pa.Table.from_pylist([row], schema=schema)
    table = table.replace_schema_metadata(
        {**schema.metadata, b"provenance": json.dumps(provenance, sort_keys=True).encode()}
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary)
    os.replace(temporary, path)


def read(path, schema):
    """The shard as a one-row Arrow table; ShardError names the file and what is wrong with it."""
    if not Path(path).is_file():
        raise ShardError(f"{path} is missing")
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(
            f"{path} is damaged: {error}. Delete it; the next run makes it again"
        ) from error
    if not table.schema.equals(schema):
        found = set(table.schema.names) ^ set(schema.names)
        detail = f" (columns that differ: {', '.join(sorted(found))})" if found else ""
        raise ShardError(f"{path} does not have the {name_of(schema)} schema{detail}")
    found, experiment = table["experiment"].unique().to_pylist(), name_of(schema)
    if found not in ([], [experiment]):
        raise ShardError(f"{path} is a shard of {', '.join(found)}, not of {experiment}")
    if table.num_rows != 1:
        raise ShardError(f"{path} has {table.num_rows} rows; a shard is one cell and has 1")
    return table


def name_of(schema):
    """The experiment that a schema is of."""
    return schema.metadata[b"experiment"].decode()


def collect(paths, schema, cells):
    """All cells of an experiment as a data frame in the order of `cells`.

    `cells` are the (model, seq_len, seed) that the config asks for; each must be there once.
    """
    tables, seen = [], {}
    for path in paths:
        table = read(path, schema)
        cell = tuple(table[key][0].as_py() for key in CELL)
        if cell in seen:
            raise ShardError(f"{path} holds the same cell as {seen[cell]}: {name(cell)}")
        seen[cell] = path
        tables.append(table)
    expected = [tuple(cell) for cell in cells]
    if missing := [cell for cell in expected if cell not in seen]:
        raise ShardError(
            f"no shard holds {name(missing[0])} ({len(missing)} of {len(expected)} missing)"
        )
    if extra := [cell for cell in seen if cell not in set(expected)]:
        raise ShardError(
            f"{seen[extra[0]]} holds {name(extra[0])}, which the config does not ask for"
        )
    frame = pa.concat_tables(tables).to_pandas().set_index(list(CELL), drop=False)
    return frame.loc[expected].reset_index(drop=True)


def name(cell):
    """How a cell is called in messages: model lstm, seq_len 100, seed 0."""
    return ", ".join(f"{key} {value}" for key, value in zip(CELL, cell, strict=True))
