"""What a user may write, and what a disk may make of it: refused in sentences, or read as it is.

200 cases of each; more by FUZZ=10000 .venv/bin/python -m pytest tests/test_fuzz.py
"""

import copy
import math
import os
import signal

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from snakemake.common.configfile import load_configfile
from snakemake_interface_common.exceptions import WorkflowError

from tests.conftest import ROOT, shipped
from tests.test_shards import ASKED, SCHEMA, TRAINING, row
from workflow.seqbench.checking import Loader, repetitions
from workflow.seqbench.config import check, readable
from workflow.seqbench.judging.statements import load
from workflow.seqbench.log import UserError
from workflow.seqbench.results import sealing, shards
from workflow.seqbench.results.collecting import read
from workflow.seqbench.results.schemas import columns

cases = settings(
    max_examples=int(os.environ.get("FUZZ", 200)),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a small case is not worth minutes of search
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize="FUZZ" not in os.environ,  # the same cases in every run of the tests
)


@pytest.fixture(autouse=True)
def no_hang():
    """What does not end is a failure and no test that waits for ever."""

    def stop(signum, frame):
        raise TimeoutError("a parser hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(300 * max(1, int(os.environ.get("FUZZ", 200)) // 200))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


PLAIN = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()),
    st.sampled_from([2**70, -1, 0, 1e400, "lstm", "timing", "tuned", "sys:path", "a\n", "x" * 300]),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3)
)


def test_anchors_within_anchors_are_read_once(tmp_path):
    """Ten levels of nine each are three thousand million entries, if each is walked."""
    lines = ["a0: &a0 {x: 1, x: 2}"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 11)]
    (tmp_path / "nested.yaml").write_text("\n".join(lines))
    assert repetitions(tmp_path / "nested.yaml") == ["line 1: x stood in line 1 already"]


def places(document):
    """Every (mapping or list, key) of a document."""
    items = []
    if isinstance(document, dict | list):
        keys = document if isinstance(document, dict) else range(len(document))
        for key in keys:
            items += [(document, key), *places(document[key])]
    return items


@st.composite
def changed(draw, document):
    """The document with some values replaced, left out or put elsewhere."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        if not (inside := places(document)):
            break
        where, key = inside[draw(st.integers(0, len(inside) - 1))]
        what = draw(st.sampled_from(["replace", "delete", "another key", "a part of it"]))
        if what == "delete":
            del where[key]
        elif what == "another key" and isinstance(where, dict):
            where[draw(PLAIN)] = where[key]
        elif what == "a part of it":
            source, name = inside[draw(st.integers(0, len(inside) - 1))]
            where[key] = copy.deepcopy(source[name])
        else:
            where[key] = draw(VALUES)
    return document


@st.composite
def edited(draw, text):
    """A text with lines left out, doubled or moved, or some characters changed."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        what = draw(st.sampled_from(["delete", "double", "move", "change"]))
        if what == "delete" and len(lines) > 1:
            del lines[one]
        elif what == "double":
            lines.insert(other, lines[one])
        elif what == "move":
            lines.insert(other, lines.pop(one))
        else:
            at = draw(st.integers(0, len(lines[one])))
            with_ = draw(st.text(st.characters(codec="utf-8"), max_size=3))
            lines[one] = lines[one][:at] + with_ + lines[one][at + 1 :]
    return "\n".join(lines)


def checked(config, files=()):
    """Everything that is asked of a config before the first job; its refusal is of sentences."""
    try:
        plan = check(config, local=False, files=files)
        for experiment in plan.names():
            for cell in plan.cells(experiment)[:50]:
                plan.shard(experiment, cell)
                plan.asked(experiment, **cell)
                plan.priority(experiment, **cell)
    except UserError as refusal:
        assert all(len(line) > 10 for line in str(refusal).splitlines())
        return None
    return plan


@cases
@given(changed(shipped()))
def test_a_config_is_refused_in_sentences_or_planned(config):
    checked(config)


@cases
@given(text=edited((ROOT / "config.yaml").read_text()))
def test_a_text_is_refused_in_sentences_or_read_in_full(tmp_path, text):
    """Each key that stands in a text that is taken is there once, and has its value in the config."""
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        readable(path)
    except UserError as refusal:
        assert str(refusal).startswith(f"{path} cannot be read: ") and "\n" not in str(refusal)
        return
    try:
        config = load_configfile(path)
    except WorkflowError:  # Snakemake's own sentence, as where it is no mapping
        return
    if (plan := checked(config, files=[path])) is not None:
        mappings = [n for n in walk(yaml.compose(text, Loader)) if isinstance(n, yaml.MappingNode)]
        for node in mappings:
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys))
        said = yaml.load(path.read_text(encoding="utf-8"), Loader)
        for experiment in said["experiments"].values():
            experiment.pop("like", None)
            if experiment.pop("add_models", None):
                experiment.pop("models", None)
        assert within(said, plan.config)


def within(said, taken):
    """Whether all that is said is taken as it is; what it leaves out may be there too."""
    if isinstance(said, dict) and isinstance(taken, dict):
        return all(key in taken and within(said[key], taken[key]) for key in said)
    return same(said, taken)


def walk(node):
    yield node
    if isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for child in item if isinstance(item, tuple) else [item]:
                yield from walk(child)


STATEMENTS = [path.read_text() for path in sorted((ROOT / "workflow/statements").glob("*.yaml"))]
DOCUMENTS = [yaml.safe_load(text) for text in STATEMENTS]


@cases
@given(st.integers(0, len(DOCUMENTS) - 1).flatmap(lambda i: changed(DOCUMENTS[i])))
def test_statements_are_refused_in_sentences_or_loaded(tmp_path, document):
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)), encoding="utf-8"
    )
    loaded(path)


@cases
@given(text=st.integers(0, len(STATEMENTS) - 1).flatmap(lambda i: edited(STATEMENTS[i])))
def test_a_text_of_statements_is_refused_in_sentences_or_loaded(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    loaded(path)


def loaded(path):
    try:
        assert repr(load(path)) == repr(yaml.safe_load(path.read_text())["statements"])  # unchanged
    except UserError as refusal:
        assert all(line.startswith(str(path)) for line in str(refusal).splitlines())


# Shards


def value(name, type_name, limit):
    """Values of a column, some that it may not have."""
    if isinstance(limit, list):
        return st.sampled_from([*limit, "x"])
    plain = {
        "text": st.text(st.characters(codec="utf-8"), max_size=6),
        "whole": st.integers(-2, 10) | st.integers(-(2**63), 2**63 - 1),
        "number": st.floats(0, 1) | st.floats(),
        "flag": st.booleans(),
    }
    if type_name == "matrix":
        return st.lists(st.lists(plain["number"], max_size=3), max_size=3)
    single = plain[type_name.removesuffix("s")]
    return st.lists(single, max_size=4) if type_name.endswith("s") else single


@st.composite
def rows(draw, shape):
    """A row with some values drawn."""
    specification = columns(shape.metadata[b"kind"].decode())
    names = draw(st.lists(st.sampled_from(sorted(specification)), max_size=6, unique=True))
    drawn = {}
    for name in names:
        type_name, _, optional, limit = specification[name]
        values = value(name, type_name, limit)
        drawn[name] = draw(st.none() | values if optional else values)
    return row(shape) | drawn | {"experiment": row(shape)["experiment"]}


def same(a, b):
    """Equal, where NaN equals NaN."""
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    both_nan = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return both_nan or (type(a) is type(b) and a == b)


@pytest.mark.parametrize("shape", [SCHEMA, TRAINING], ids=["timing", "training"])
@cases
@given(data=st.data())
def test_a_row_is_refused_or_comes_back_as_it_was(tmp_path, shape, data):
    one, path = data.draw(rows(shape)), tmp_path / "shard.parquet"
    try:
        shards.write(one, shape, path, ASKED)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)
        return
    (back,) = read(path, shape).to_pylist()
    assert all(same(one[name], back[name]) for name in one)


@cases
@given(data=st.data())
def test_a_damaged_file_is_refused_by_name(tmp_path, data):
    path = tmp_path / "shard.parquet"
    if not path.exists():
        shards.write(row(), SCHEMA, path, ASKED)
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content)))
    part = data.draw(st.binary(max_size=20))
    gone = data.draw(st.sampled_from([0, 1, len(part), len(content)]))
    damaged = content[:place] + part + content[place + gone :]
    other = tmp_path / "damaged.parquet"
    other.write_bytes(damaged)
    assert sealing.asked_of(other) is not None
    try:
        table = read(other, SCHEMA)
    except shards.ShardError as refusal:
        assert str(other) in str(refusal) and "--force" in str(refusal)
    else:
        assert damaged == content and table.num_rows == 1
