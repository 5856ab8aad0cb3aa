"""Shards: written whole or not at all, readable by anyone, refused by name when something is wrong."""

import io
import json
import math
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow.seqbench.log import UserError
from workflow.seqbench.results import collecting, sealing, shards
from workflow.seqbench.results.collecting import collect, read
from workflow.seqbench.results.schemas import columns, name_of, schema
from workflow.seqbench.results.shards import ShardError

SCHEMA, TRAINING = schema("timing", "timing"), schema("training", "recall")
BOTH = pytest.mark.parametrize("shape", [SCHEMA, TRAINING], ids=["timing", "training"])
ASKED = {"model": {"architecture": "lstm"}, "settings": {"threads": 1}, "code": "0123"}
EXAMPLES = {pa.string(): "text", pa.int64(): 1, pa.int32(): 1, pa.float64(): 0.5, pa.bool_(): True}


def row(shape=SCHEMA, **values):
    """A row with something in every column."""

    def example(kind, limit=None):
        if pa.types.is_list(kind):
            return [example(kind.value_type)] * 2
        return limit[0] if isinstance(limit, list) else EXAMPLES[kind]

    limits = columns(shape.metadata[b"kind"].decode())
    filled = {field.name: example(field.type, limits[field.name][-1]) for field in shape}
    cell = {"model": "lstm", "seq_len": 100, "seed": 0}
    return filled | {"experiment": name_of(shape)} | cell | values


def write(folder, shape=SCHEMA, **values):
    """A shard at the path that the workflow gives it."""
    one = row(shape, **values)
    path = folder / f"model~{one['model']}/seq_len~{one['seq_len']}/seed~{one['seed']}.parquet"
    shards.write(one, shape, path, ASKED)
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
    path = write(tmp_path, shape)
    file = pq.read_schema(path)
    assert {"model", "seq_len", "seed", "status"} <= set(file.names)
    assert all(field.metadata[b"description"] for field in file)
    said = json.loads(file.metadata[b"provenance"])
    assert said.pop("command") == f"snakemake --cores 4 --force {path}"
    assert said == ASKED
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

    def fails(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(sealing.os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, time_s=2.0)
    assert read(path, SCHEMA)["time_s"].to_pylist() == [1.0]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


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
    refused([paths[1], "not as it was written", f"--force {paths[1]}"], paths, cells)


@BOTH
def test_a_shard_with_one_bit_flipped_is_refused_or_reads_the_same(tmp_path, shape):
    """Anywhere in the file, without a traceback and without another number."""
    path = write(tmp_path, shape)
    content, before = path.read_bytes(), read(path, shape)
    for place in range(0, len(content), 97):
        for bit in (0, 7):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with pytest.raises(ShardError, match=f"not as it was written.*--force {path}"):
                read(path, shape)
    path.write_bytes(content)
    assert read(path, shape) == before


def rewrite(path, **values):
    """The shard with other values in single columns, and all that its file says kept."""
    table = pq.read_table(path, partitioning=None)
    for column, value in values.items():
        field = table.schema.field(column)
        place = table.schema.get_field_index(column)
        table = table.set_column(place, field, pa.array([value], field.type))
    pq.write_table(table, path, write_page_checksum=True)


@pytest.mark.parametrize(
    ("column", "value"), [("time_s", 0.25), ("d_model", 64), ("config_digest", "0"), ("seed", 0)]
)
def test_an_edited_shard_is_refused(tmp_path, column, value):
    paths, cells = two(tmp_path)
    rewrite(paths[1], **{column: value})
    refused([paths[1], "edited", f"--force {paths[1]}"], paths, cells)


def test_pages_have_checksums(tmp_path):
    """So that other readers find damage too; a page of a column without a value is never read."""
    path = write(tmp_path)
    content, chunk = path.read_bytes(), pq.read_metadata(path).row_group(0).column(5)
    flipped = bytearray(content)
    flipped[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(flipped)
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(path, partitioning=None, page_checksum_verification=True)


@pytest.mark.parametrize(
    ("shape", "values", "said"),
    [
        (SCHEMA, {"time_s": -1.0}, "time_s is -1; it must be greater than 0"),
        (SCHEMA, {"time_s": math.nan}, "time_s is nan; it must be greater than 0"),
        (SCHEMA, {"samples_s": [0.1, math.inf]}, "samples_s is inf"),
        (SCHEMA, {"status": "fine"}, "status is 'fine'; allowed: ok, out of memory"),
        (TRAINING, {"final_accuracy": 1.5}, "final_accuracy is 1.5; it must be from 0 to 1"),
        (TRAINING, {"train_loss": [4.6, math.nan]}, "train_loss is nan; it must be 0 or more"),
        (TRAINING, {"lr": 0.0}, "lr is 0; it must be greater than 0"),
    ],
)
def test_values_that_cannot_be_are_neither_written_nor_read(
    tmp_path, monkeypatch, shape, values, said
):
    with pytest.raises(ShardError, match=said):
        write(tmp_path, shape, **values)
    with monkeypatch.context() as patch:  # a version that did not check
        patch.setattr(shards, "wrong_values", lambda table, schema: [])
        path = write(tmp_path, shape, **values)
    others = [write(tmp_path, shape, seed=seed) for seed in (1, 2)]
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in (1, 0, 2)]
    refused([path, said, f"--force {path}"], [others[0], path, others[1]], cells, shape)


def test_a_training_that_diverged_may_have_losses_that_are_no_numbers(tmp_path):
    path = write(tmp_path, TRAINING, status="diverged", train_loss=[4.6, math.nan])
    frame = collect([path], TRAINING, [{"model": "lstm", "seq_len": 100, "seed": 0}])
    assert frame["status"].tolist() == ["diverged"]


def test_a_shard_that_was_asked_to_be_something_else_is_refused(tmp_path):
    paths, cells = two(tmp_path)
    assert sealing.asked_of(paths[0]) == sealing.asked(ASKED)
    same = [cell | {"asked": sealing.asked(ASKED)} for cell in cells]
    assert len(collect(paths, SCHEMA, same)) == 2
    other = [same[0], same[1] | {"asked": sealing.asked(ASKED | {"code": "4567"})}]
    refused([paths[1], "other settings or code", f"--force {paths[1]}"], paths, other)


@pytest.mark.parametrize(
    ("shape", "column", "value"),
    [
        (SCHEMA, "torch", "2.0.0"),
        (SCHEMA, "threads", 2),
        (SCHEMA, "malloc", "musl"),
        (SCHEMA, "governor", None),
        (TRAINING, "torch", "2.0.0"),
        (TRAINING, "threads", 2),
    ],
)
def test_cells_made_under_different_conditions_are_not_mixed(tmp_path, shape, column, value):
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in range(3)]
    paths = [write(tmp_path, shape, seed=seed) for seed in range(2)]
    paths.append(write(tmp_path, shape, seed=2, **{column: value}))
    refused([f"mixes cells of different {column}", f"--force {paths[2]}"], paths, cells, shape)
    assert len(collect(paths[:2], shape, cells[:2])) == 2


def test_torch_is_not_mixed_across_kinds_of_machines_either(tmp_path):
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in range(3)]
    other = {"device_name": "another CPU", "cpu_model": "another CPU"}
    paths = [write(tmp_path, seed=seed) for seed in range(2)]
    paths.append(write(tmp_path, seed=2, **other, governor="powersave"))
    assert len(collect(paths, SCHEMA, cells)) == 3  # a governor is the machine's own
    write(tmp_path, seed=2, **other, torch="2.0.0")
    refused(["mixes cells of different torch", f"--force {paths[2]}"], paths, cells)


def test_many_shards_are_read_by_several_processes_with_the_same_result(tmp_path, monkeypatch):
    """Also what they refuse is told in the same sentence."""
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in range(5)]
    paths = [write(tmp_path, seed=seed, samples_s=[0.1] * (seed + 1)) for seed in range(5)]
    alone = collect(paths, SCHEMA, cells)
    monkeypatch.setattr(collecting, "CHUNK", 2)
    pd.testing.assert_frame_equal(collect(paths, SCHEMA, cells), alone)
    content = paths[3].read_bytes()
    paths[3].write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    refused([f"{paths[3]} is not as it was written", f"--force {paths[3]}"], paths, cells)


def test_nodes_of_one_kind_are_mixed(tmp_path):
    paths = [
        write(tmp_path, seed=seed, node=f"node{seed}", kernel=f"Linux {seed}") for seed in (0, 1)
    ]
    cells = [{"model": "lstm", "seq_len": 100, "seed": seed} for seed in (0, 1)]
    assert collect(paths, SCHEMA, cells)["node"].tolist() == ["node0", "node1"]


def test_a_shard_of_another_schema_is_named_with_its_columns(tmp_path):
    paths, cells = two(tmp_path)
    foreign = write(tmp_path / "other", TRAINING, seed=1)
    shutil.copy(foreign, paths[1])
    refused([paths[1], "timing schema", "samples_s", "train_loss", "--force"], paths, cells)


def test_a_column_of_another_type_is_refused(tmp_path):
    paths, cells = two(tmp_path)
    place = SCHEMA.get_field_index("seed")
    narrow = SCHEMA.set(place, SCHEMA.field("seed").with_type(pa.int32()))
    write(tmp_path, narrow.with_metadata(SCHEMA.metadata), seed=1)
    refused([f"--force {paths[1]}", "timing schema"], paths, cells)


def test_a_shard_of_another_experiment_with_the_same_columns_is_refused(tmp_path):
    paths, cells = two(tmp_path)
    foreign = write(
        tmp_path / "other", schema("timing", "train_step"), experiment="train_step", seed=1
    )
    shutil.copy(foreign, paths[1])
    refused([f"--force {paths[1]}", "train_step"], paths, cells)


def test_two_shards_of_one_cell_are_named(tmp_path):
    paths, cells = two(tmp_path)
    shutil.copy(paths[0], paths[1])
    refused(["same cell", f"--force {paths[0]} {paths[1]}"], paths, cells)


def test_two_rows_in_a_shard_are_refused(tmp_path):
    paths, cells = two(tmp_path)
    table = pq.read_table(paths[1], partitioning=None)
    content = io.BytesIO()
    about = table.schema.metadata | {b"seal": sealing.BLANK}
    pq.write_table(pa.concat_tables([table, table]).replace_schema_metadata(about), content)
    paths[1].write_bytes(sealing.sealed(content.getvalue()))
    refused([f"--force {paths[1]}", "2 rows"], paths, cells)


def test_a_shard_that_nobody_asked_for_is_named(tmp_path):
    paths, cells = two(tmp_path)
    refused([paths[1], "seed 1", "does not ask for"], paths, cells[:1])
