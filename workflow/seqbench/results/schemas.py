"""What a shard holds: one pyarrow schema per kind of experiment, from workflow/schemas/shards.yaml."""

from functools import cache

import yaml

from workflow.seqbench.sources import ROOT


@cache
def columns(kind):
    """{column: (type, meaning, whether it may be empty, allowed values)} of a kind, timing or training."""
    parts = yaml.safe_load((ROOT / "workflow/schemas/shards.yaml").read_text())
    rows = parts["both"] | parts[kind]
    return {
        name: (*row[:2], "optional" in row, next((x for x in row[2:] if x != "optional"), None))
        for name, row in rows.items()
    }


@cache
def layout(kind):
    """Names and types of the columns as text: what a digest of the code takes of them."""
    return str({name: row[::2] for name, row in columns(kind).items()})


def schema(kind, experiment):
    """Schema of the shards of an experiment; each column's metadata says what it holds."""
    import pyarrow as pa  # not needed where only the columns are asked for

    types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    types |= {f"{name}s": pa.list_(kind) for name, kind in types.items()}
    types["matrix"] = pa.list_(types["numbers"])
    fields = [
        pa.field(name, types[type_name], optional, {"description": meaning})
        for name, (type_name, meaning, optional, _) in columns(kind).items()
    ]
    return pa.schema(fields, {"experiment": experiment, "kind": kind, "schema_version": "2"})


def name_of(schema):
    """The experiment that a schema is of."""
    return schema.metadata[b"experiment"].decode()
