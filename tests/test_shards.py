"""Shards: written whole or not at all, readable by anyone, refused by name when something is wrong."""

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow.seqbench.log import UserError
from workflow.seqbench.results import shards
from workflow.seqbench.results.collecting import collect, read
from workflow.seqbench.results.schemas import name_of, schema
from workflow.seqbench.results.shards import ShardError

SCHEMA, TRAINING = schema("timing", "timing"), schema("training", "recall")
BOTH = pytest.mark.parametrize("shape", [SCHEMA, TRAINING], ids=["timing", "training"])
PROVENANCE = {"model": {"architecture": "lstm"}, "settings": {"threads": 1}}
EXAMPLES = {pa.string(): "text", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}


def row(shape=SCHEMA, **values):
    """A row with something in every column."""

    def example(kind):
        return [example(kind.value_type)] * 2 if pa.types.is_list(kind) else EXAMPLES[kind]

    filled = {field.name: example(field.type) for field in shape}
    cell = {"model": "lstm", "seq_len": 100, "seed": 0}
    return filled | {"experiment": name_of(shape)} | cell | values


def write(folder, shape=SCHEMA, **values):
    """A shard at the path that the workflow gives it."""
    one = row(shape, **values)
    path = folder / f"model~{one['model']}/seq_len~{one['seq_len']}/seed~{one['seed']}.parquet"
    shards.write(one, shape, path, PROVENANCE)
    return path


def two(folder):
    """Two shards and their cells."""
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in (0, 1)]
    return [write(folder, seed=0), write(folder, seed=1)], cells


def test_round_trip(tmp_path):
    path = write(tmp_path, samples_s=[0.1, 0.2, 0.3], flags=[], error=None)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    (back,) = read(path, SCHEMA).to_pylist()
    assert back == row(samples_s=[0.1, 0.2, 0.3], flags=[], error=None)


@BOTH
def test_a_file_describes_itself(tmp_path, shape):
    file = pq.read_schema(write(tmp_path, shape))
    assert {"model", "seq_len", "seed", "status"} <= set(file.names)
    assert all(field.metadata[b"description"] for field in file)
    assert json.loads(file.metadata[b"provenance"]) == PROVENANCE
    assert file.metadata[b"experiment"].decode() == name_of(shape)
    assert file.metadata[b"kind"].decode() in ("timing", "training")


@BOTH
def test_units_are_said(shape):
    """Seconds, bytes and steps: in the column's name or in its description."""
    for field in shape:
        if field.name.endswith(("_s", "_bytes")):
            continue
        text = field.metadata[b"description"].decode()
        if pa.types.is_floating(field.type) or pa.types.is_list(field.type):
            assert len(text.split()) >= 2, field.name


def test_pandas_reads_a_folder_of_shards(tmp_path):
    two(tmp_path)
    write(tmp_path, model="transformer")
    frame = pd.read_parquet(tmp_path)
    assert len(frame) == 3
    assert sorted(zip(frame["model"], frame["seed"], strict=True)) == [
        ("lstm", 0),
        ("lstm", 1),
        ("transformer", 0),
    ]


def test_collect_gives_the_cells_in_the_order_asked_for(tmp_path):
    paths, cells = two(tmp_path)
    frame = collect(paths, SCHEMA, cells[::-1])
    assert frame["seed"].tolist() == [1, 0]


def test_a_learning_rate_is_a_key_where_it_is_an_axis(tmp_path):
    paths = [write(tmp_path / f"lr~{lr}", TRAINING, lr=lr) for lr in (0.01, 0.0005)]
    cells = [{"lr": lr, "model": "lstm", "seq_len": 100, "seed": 0} for lr in (0.0005, 0.01)]
    assert collect(paths, TRAINING, cells)["lr"].tolist() == [0.0005, 0.01]
    refused([paths[0], "does not ask for"], paths, cells[:1], TRAINING)
    refused([*paths, "same cell"], paths, [{"model": "lstm", "seq_len": 100, "seed": 0}], TRAINING)


@pytest.mark.parametrize(
    ("bad", "said"),
    [({"surprise": 1}, "surprise"), ({"device_name": None}, "device_name")],
    ids=["extra column", "no value"],
)
def test_an_incomplete_row_is_not_written(tmp_path, bad, said):
    with pytest.raises(ShardError, match=said):
        write(tmp_path, **bad)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_failing_write_leaves_the_old_shard(tmp_path, monkeypatch):
    path = write(tmp_path, time_s=1.0)

    def fails(table, where, *rest, **more):
        where.write_bytes(b"half a fi")
        raise OSError("no space left on device")

    monkeypatch.setattr(pq, "write_table", fails)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, time_s=2.0)
    assert read(path, SCHEMA)["time_s"].to_pylist() == [1.0]
    assert sorted(tmp_path.rglob("*.parquet")) == [path]


def refused(path_and_words, paths, cells, shape=SCHEMA):
    with pytest.raises(ShardError) as caught:
        collect(paths, shape, cells)
    assert isinstance(caught.value, UserError) and "\n" not in str(caught.value)
    for word in path_and_words:
        assert str(word) in str(caught.value)


def test_a_missing_shard_is_named(tmp_path):
    paths, cells = two(tmp_path)
    paths[1].unlink()
    refused([paths[1], "missing"], paths, cells)


def test_a_cell_without_a_shard_is_named(tmp_path):
    paths, cells = two(tmp_path)
    refused(["model lstm, seq_len 100, seed 1", "1 of 2"], paths[:1], cells)


@pytest.mark.parametrize("content", [b"", b"PAR1", None], ids=["empty", "foreign", "cut"])
def test_a_damaged_shard_is_named(tmp_path, content):
    paths, cells = two(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:-100] if content is None else content)
    refused([paths[1], "damaged", "Delete it"], paths, cells)


def test_a_shard_of_another_schema_is_named_with_its_columns(tmp_path):
    paths, cells = two(tmp_path)
    foreign = write(tmp_path / "other", TRAINING, seed=1)
    shutil.copy(foreign, paths[1])
    refused([paths[1], "timing schema", "samples_s", "train_loss"], paths, cells)


def test_a_column_of_another_type_is_refused(tmp_path):
    paths, cells = two(tmp_path)
    table = pq.read_table(paths[1], partitioning=None)
    place = table.schema.get_field_index("seed")
    pq.write_table(table.set_column(place, "seed", table["seed"].cast(pa.int32())), paths[1])
    refused([paths[1], "timing schema"], paths, cells)


def test_a_shard_of_another_experiment_with_the_same_columns_is_refused(tmp_path):
    paths, cells = two(tmp_path)
    foreign = write(
        tmp_path / "other", schema("timing", "train_step"), experiment="train_step", seed=1
    )
    shutil.copy(foreign, paths[1])
    refused([paths[1], "train_step"], paths, cells)


def test_two_shards_of_one_cell_are_named(tmp_path):
    paths, cells = two(tmp_path)
    shutil.copy(paths[0], paths[1])
    refused([*paths, "same cell"], paths, cells)


def test_two_rows_in_a_shard_are_refused(tmp_path):
    paths, cells = two(tmp_path)
    table = pq.read_table(paths[1], partitioning=None)
    pq.write_table(pa.concat_tables([table, table]), paths[1])
    refused([paths[1], "2 rows"], paths, cells)


def test_a_shard_that_nobody_asked_for_is_named(tmp_path):
    paths, cells = two(tmp_path)
    refused([paths[1], "seed 1", "does not ask for"], paths, cells[:1])
