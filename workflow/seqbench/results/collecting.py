"""From shards to data frames: every cell that the config asks for, once, and no other."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.seqbench.log import again
from workflow.seqbench.results import sealing
from workflow.seqbench.results.schemas import name_of
from workflow.seqbench.results.shards import ShardError, wrong_values

# What all cells of an experiment must share, as no median or interval has a meaning across it. A
# training's losses hardly depend on the machine; where its seconds were taken the table says.
SHARED = {"training": ["device", "threads", "interop_threads", "torch"]}
SHARED["timing"] = [*SHARED["training"], "device_name", "cpu_model", "governor", "malloc", "clock"]


def read(path, schema):
    """The shard as a one-row Arrow table; ShardError names the file and what is wrong with it."""
    if not Path(path).is_file():
        raise ShardError(f"{path} is missing; make it: {again(path)}")
    content = Path(path).read_bytes()
    if not sealing.intact(content):
        raise ShardError(
            f"{path} is not as it was written: damaged, edited, or of an older version;"
            f" make it again: {again(path)}"
        )
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    table = file.read(use_threads=False)  # many small files: threads cost more than they bring
    if not table.schema.equals(schema):
        differing = sorted(set(table.schema.names) ^ set(schema.names))
        detail = f" (columns that differ: {', '.join(differing)})" if differing else ""
        raise ShardError(f"{path} does not have the {name_of(schema)} schema{detail}")
    if table.num_rows != 1:
        raise ShardError(f"{path} has {table.num_rows} rows; a shard is one cell and has 1")
    (row,) = table.to_pylist()
    if row["experiment"] != name_of(schema):
        raise ShardError(f"{path} is a shard of {row['experiment']}, not of {name_of(schema)}")
    if wrong := wrong_values(row, schema):
        raise ShardError(f"{path}: {'; '.join(wrong)}; make it again: {again(path)}")
    return table


def collect(paths, schema, cells):
    """All cells of an experiment as a data frame in the order of `cells`.

    `cells` are the cells that the config asks for, as dicts of their keys (model, seq_len, seed, and
    lr where that is an axis) and `asked`, what their shards were to be asked for (`sealing.asked`);
    each must be there once.
    """
    if not cells:
        raise ShardError(f"no cell of {name_of(schema)} is done")
    expected = {tuple(v for k, v in cell.items() if k != "asked"): cell for cell in cells}
    keys = [key for key in cells[0] if key != "asked"]
    tables, holder = [], {}
    for path in paths:
        table = read(path, schema)
        cell = tuple(table[key][0].as_py() for key in keys)
        if cell in holder:
            raise ShardError(f"{path} holds the same cell as {holder[cell]}: {name(keys, cell)}")
        if cell not in expected:
            raise ShardError(
                f"{path} holds {name(keys, cell)}, which the config does not ask for"
                f" there; make it again: {again(path)}"
            )
        asked = table.schema.metadata[b"asked"].decode()
        if asked != expected[cell].get("asked", asked):
            raise ShardError(
                f"{path} was made with other settings or code than this run's;"
                f" make it again: {again(path)}"
            )
        holder[cell] = path
        tables.append(table)
    if missing := [cell for cell in expected if cell not in holder]:
        raise ShardError(
            f"no shard holds {name(keys, missing[0])} ({len(missing)} of {len(expected)} missing)"
        )
    frame = pa.concat_tables(tables).to_pandas().assign(path=[*holder.values()])
    refuse_mixtures(frame, schema)
    frame = frame.drop(columns="path").set_index(keys, drop=False)
    return frame.loc[[*expected]].reset_index(drop=True)


def refuse_mixtures(frame, schema):
    """ShardError where cells were made under conditions that must not be mixed."""
    for column in SHARED[schema.metadata[b"kind"].decode()]:
        groups = frame.groupby(column, sort=False, dropna=False)["path"].agg(list)
        if len(groups) > 1:
            groups = groups.sort_values(key=lambda paths: paths.map(len))
            counts = " and ".join(f"{value} ({len(paths)})" for value, paths in groups.items())
            raise ShardError(
                f"{frame['experiment'][0]} mixes cells of different {column}: {counts};"
                f" make those of one again: {again(*groups.iloc[0])}"
            )


def name(keys, cell):
    """How a cell is called in messages: model lstm, seq_len 100, seed 0."""
    return ", ".join(f"{key} {value}" for key, value in zip(keys, cell, strict=True))
