"""From shards to data frames: every cell that the config asks for, once, and no other."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.seqbench.results.schemas import name_of
from workflow.seqbench.results.shards import ShardError


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
        differing = sorted(set(table.schema.names) ^ set(schema.names))
        detail = f" (columns that differ: {', '.join(differing)})" if differing else ""
        raise ShardError(f"{path} does not have the {name_of(schema)} schema{detail}")
    if table.num_rows != 1:
        raise ShardError(f"{path} has {table.num_rows} rows; a shard is one cell and has 1")
    experiment = table["experiment"][0].as_py()
    if experiment != name_of(schema):
        raise ShardError(f"{path} is a shard of {experiment}, not of {name_of(schema)}")
    return table


def collect(paths, schema, cells):
    """All cells of an experiment as a data frame in the order of `cells`.

    `cells` are the cells that the config asks for, as dicts of their keys (model, seq_len, seed, and
    lr where that is an axis); each must be there once.
    """
    keys = list(cells[0])
    tables, holder = [], {}
    for path in paths:
        table = read(path, schema)
        cell = tuple(table[key][0].as_py() for key in keys)
        if cell in holder:
            raise ShardError(f"{path} holds the same cell as {holder[cell]}: {name(keys, cell)}")
        holder[cell] = path
        tables.append(table)
    expected = [tuple(cell.values()) for cell in cells]
    if missing := [cell for cell in expected if cell not in holder]:
        raise ShardError(
            f"no shard holds {name(keys, missing[0])} ({len(missing)} of {len(expected)} missing)"
        )
    if foreign := [cell for cell in holder if cell not in set(expected)]:
        raise ShardError(
            f"{holder[foreign[0]]} holds {name(keys, foreign[0])}, which the config does not ask for"
        )
    frame = pa.concat_tables(tables).to_pandas().set_index(keys, drop=False)
    return frame.loc[expected].reset_index(drop=True)


def name(keys, cell):
    """How a cell is called in messages: model lstm, seq_len 100, seed 0."""
    return ", ".join(f"{key} {value}" for key, value in zip(keys, cell, strict=True))
