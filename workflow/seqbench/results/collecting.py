"""From shards to data frames: every cell that the config asks for, once, and no other."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.seqbench.log import again
from workflow.seqbench.results import sealing
from workflow.seqbench.results.schemas import name_of
from workflow.seqbench.results.shards import ShardError, wrong_values

# What all cells of an experiment must share, as no median or interval has a meaning across it; and what
# those that time a call on one kind of machine must.
SHARED = ["device", "threads", "interop_threads", "torch"]
OF_A_MACHINE = ["governor", "malloc", "clock"]

CHUNK, READERS = 500, 2  # shards that are read in one go; processes that read where there are more


def refusal(path, problem):
    """The ShardError of a shard that is to be made again."""
    return ShardError(f"{path} {problem}; make it again: {again(path)}")


def intact(path, columns=None):
    """A shard as an Arrow table, of these columns; None where it is not as it was written."""
    content = Path(path).read_bytes()
    if not sealing.intact(content):
        return None
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    return file.read(columns, use_threads=False)


def read(path, schema):
    """The shard as a one-row Arrow table; ShardError names the file and what is wrong with it."""
    if not Path(path).is_file():
        raise refusal(path, "is missing")
    table = intact(path)
    if table is None:
        raise refusal(path, "is not as it was written: damaged, edited, or of an older version")
    if not table.schema.equals(schema):
        differing = sorted(set(table.schema.names) ^ set(schema.names))
        detail = f" (columns that differ: {', '.join(differing)})" if differing else ""
        raise refusal(path, f"does not have the {name_of(schema)} schema{detail}")
    if table.num_rows != 1:
        raise refusal(path, f"has {table.num_rows} rows, a shard is one cell and has 1")
    if (experiment := table["experiment"][0].as_py()) != name_of(schema):
        raise refusal(path, f"is a shard of {experiment}, not of {name_of(schema)}")
    return table


def read_all(paths, schema):
    """The shards as one Arrow table, their values checked, with `asked` as a column more."""
    parts = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    if len(parts) == 1:
        tables = [read_part(paths, schema)]
    else:
        with ProcessPoolExecutor(READERS) as readers:
            tables = [*readers.map(partial(read_part, schema=schema), parts)]
    table = pa.concat_tables(tables)
    for i, sentence in wrong_values(table, schema):
        raise refusal(paths[i], f"is wrong: {sentence}")
    return table


def read_part(paths, schema):
    """Some of the shards as one table; tables of one row take ten times the memory of their content."""
    rows = [read(path, schema) for path in paths]
    asked = [row.schema.metadata[b"asked"].decode() for row in rows]
    return pa.concat_tables(rows).combine_chunks().append_column("asked", [asked])


def collect(paths, schema, cells):
    """All cells of an experiment as a data frame in the order of `cells`.

    `cells` are the cells that the config asks for, as dicts of their keys (model, seq_len, seed, and
    lr where that is an axis) and `asked`, what their shards were to be asked for (`sealing.asked`);
    each must be there once.
    """
    if not cells:
        raise ShardError(f"no cell of {name_of(schema)} is done")
    keys = [key for key in cells[0] if key != "asked"]
    expected = {tuple(cell[key] for key in keys): cell for cell in cells}
    frame = read_all(paths, schema).to_pandas().assign(path=[*map(str, paths)])
    place = {}
    for i, (asked, *cell) in enumerate(zip(*(frame[c] for c in ["asked", *keys]), strict=True)):
        known = name(keys, cell := tuple(cell))
        if cell in place:
            pair = paths[place[cell]], paths[i]
            said = f"{pair[1]} holds the same cell as {pair[0]}: {known}"
            raise ShardError(f"{said}; make both again: {again(*pair)}")
        if cell not in expected:
            raise refusal(paths[i], f"holds {known}, which the config does not ask for there")
        if asked != expected[cell].get("asked", asked):
            raise refusal(paths[i], "was made with other settings or code than this run's")
        place[cell] = i
    if missing := [cell for cell in expected if cell not in place]:
        raise ShardError(
            f"no shard holds {name(keys, missing[0])} ({len(missing)} of {len(expected)} missing)"
        )
    refuse_mixtures(frame, SHARED)
    if schema.metadata[b"kind"] == b"timing":
        for part in by_machine(frame).values():
            refuse_mixtures(part, OF_A_MACHINE)
    in_order = frame.iloc[[place[cell] for cell in expected]]
    return in_order.drop(columns=["path", "asked"]).reset_index(drop=True)


def refuse_mixtures(frame, shared):
    """ShardError where cells differ in what they must share."""
    for column in shared:
        groups = frame.groupby(column, sort=False, dropna=False)["path"].agg(list)
        if len(groups) > 1:
            groups = groups.sort_values(key=lambda paths: paths.map(len))
            counts = " and ".join(f"{value} ({len(paths)})" for value, paths in groups.items())
            raise ShardError(
                f"{frame['experiment'].iloc[0]} mixes cells of different {column}: {counts};"
                f" make those of one again: {again(*groups.iloc[0])}"
            )


def by_machine(frame):
    """{kind of machine: its cells}, most cells first, as no median holds across CPUs or GPUs."""
    gpu = frame["device_name"].where(frame["device_name"] != frame["cpu_model"])
    kinds = (gpu + ", ").fillna("") + frame["cpu_model"]
    order = kinds.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    return {kind: frame[kinds == kind].reset_index(drop=True) for kind in order}


def name(keys, cell):
    """How a cell is called in messages: model lstm, seq_len 100, seed 0."""
    return ", ".join(f"{key} {value}" for key, value in zip(keys, cell, strict=True))
