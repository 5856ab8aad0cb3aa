"""A config that cannot be run is refused in a sentence: the key, the value, what is allowed."""

import os

import pytest
import torch
import yaml

from tests.conftest import ROOT, Project, shipped
from workflow.seqbench import config as library
from workflow.seqbench.config import ConfigError, check

PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))

# Name of the case: what is put over config.yaml, and what the sentence says.
WRONG = {
    "unknown key": ({"timing": {"seq_len": [100]}}, "timing.seq_len", "did you mean seq_lens?"),
    "unknown key at the top": ({"recal": {}}, "recal", "did you mean recall?"),
    "unknown key, nothing near": ({"pathvars": {"zzz": "x"}}, "pathvars.zzz", "allowed: results"),
    "text for a number": (
        {"recall": {"steps": "many"}},
        "recall.steps",
        "'many'",
        "a whole number",
    ),
    "number as YAML misreads it": ({"recall": {"lr": "1e-3"}}, "recall.lr", "'1e-3'", "0.001"),
    "fraction for a count": ({"timing": {"threads": 1.5}}, "timing.threads", "1.5", "whole number"),
    "number for a list": ({"timing": {"seeds": 3}}, "timing.seeds", "is 3", "a list"),
    "text for a mapping": ({"models": {"lstm": "lstm"}}, "models.lstm", "'lstm'", "a mapping"),
    "nothing for a mapping": ({"recall": None}, "recall", "None", "a mapping"),
    "empty list": ({"recall": {"seq_lens": []}}, "recall.seq_lens", "empty list", "at least 1"),
    "duplicate seed": ({"timing": {"seeds": [0, 1, 1]}}, "timing.seeds", "1 twice"),
    "negative seed": ({"recall": {"seeds": [0, -1]}}, "recall.seeds.1", "-1", "at least 0"),
    "seq_len 0": ({"timing": {"seq_lens": [0, 100]}}, "timing.seq_lens.0", "is 0", "at least 1"),
    "duplicate model": ({"recall": {"models": ["lstm"] * 2}}, "recall.models", "lstm twice"),
    "lr of 0": ({"recall": {"lr": 0}}, "recall.lr", "is 0", "greater than 0"),
    "a model's lr of 0": (
        {"models": {"lstm": {"recall": {"lr": 0}}}},
        *("models.lstm.recall.lr", "is 0", "greater than 0"),
    ),
    "accuracy over 1": (
        {"recall": {"solved_accuracy": 99}},
        *("recall.solved_accuracy", "99", "at most 1"),
    ),
    "dropout of 1": (
        {"models": {"transformer": {"dropout": 1}}},
        *("models.transformer.dropout", "is 1", "less than 1"),
    ),
    "mode": (
        {"timing": {"mode": "evl"}},
        "timing.mode",
        "'evl'",
        "eval, train",
        "did you mean eval?",
    ),
    "device": ({"timing": {"device": "gpu"}}, "timing.device", "'gpu'", "cpu, cuda"),
    "name with a slash": (
        {"models": {"a/b": {"architecture": "lstm"}}},
        "'a/b'",
        "letters, digits",
    ),
    "no architecture": ({"models": {"new": {"layers": 1}}}, "models.new", "lacks", "architecture"),
    "heads": (
        {"models": {"transformer": {"heads": 3}}},
        *("models.transformer.heads", "is 3", "divide timing.d_model", "128"),
    ),
    "model of timing": (
        {"timing": {"models": ["lsmt"]}},
        *("timing.models", "lsmt", "did you mean lstm?"),
    ),
    "model of recall": (
        {"recall": {"models": ["lstm", "rwkv"]}},
        *("recall.models", "rwkv", "allowed:", "transformer_matched"),
    ),
    "architecture": (
        {"models": {"lstm": {"architecture": "lsmt"}}},
        *("models.lstm.architecture", "'lsmt'", "package.module:Class", "transformer"),
    ),
    "module of an import path": (
        {"models": {"lstm": {"architecture": "my.models:Net"}}},
        *("models.lstm.architecture", "'my.models:Net'", "no module my.models"),
    ),
    "class of an import path": (
        {"models": {"lstm": {"architecture": "tests.known_truth:Oracel"}}},
        *("models.lstm.architecture", "tests.known_truth", "no class Oracel"),
    ),
    "option of the architecture": (
        {"models": {"lstm": {"layer": 2}}},
        *("models.lstm", "layer ", "architecture lstm", "did you mean layers?"),
    ),
    "option of another architecture": (
        {"models": {"lstm": {"recall": {"heads": 2}}}},
        *("models.lstm", "heads", "architecture lstm", "allowed:", "init"),
    ),
    "value of an option": (
        {"models": {"lstm": {"init": "chronos"}}},
        *("models.lstm.init", "'chronos'", "did you mean chrono?"),
    ),
    "task": ({"recall": {"task": "last_token"}}, "recall.task", "'last_token'", "first_token"),
    "workload": ({"timing": {"workload": "backward"}}, "timing.workload", "'backward'", "forward"),
    "threads": (
        {"timing": {"threads": 4096}},
        *("timing.threads", "4096", f"{len(os.sched_getaffinity(0))} cores"),
    ),
}


def problems(override):
    """The sentences with which a config is refused."""
    with pytest.raises(ConfigError) as caught:
        check(shipped(override))
    return str(caught.value).splitlines()


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_config_is_refused_in_a_sentence(case):
    override, *fragments = WRONG[case]
    assert any(all(part in sentence for part in fragments) for sentence in problems(override)), (
        problems(override)
    )


def test_cuda_where_there_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (sentence,) = problems({"recall": {"device": "cuda"}})
    assert all(part in sentence for part in ("recall.device", "'cuda'", "no CUDA device", "cpu"))


def test_cuda_is_not_asked_of_the_machine_that_only_submits_jobs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check(shipped({"recall": {"device": "cuda"}, "timing": {"threads": 4096}}), local=False)


def test_every_problem_is_named_at_once():
    sentences = problems({"timing": {"seeds": [-1]}, "recall": {"lr": 0, "stpes": 5}})
    assert len(sentences) == 3


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda p: p.stem if p else "config.yaml")
def test_what_ships_is_valid(preset):
    check(shipped(*[preset] if preset else []))


def test_an_architecture_may_live_elsewhere():
    entry = {"architecture": "tests.known_truth:Diverging", "good": 3}
    check(shipped({"models": {"lstm": entry}}))


@pytest.mark.parametrize(
    "key", [("timing", "threads"), ("recall", "device"), ("timing", "d_model")]
)
def test_a_key_with_a_default_may_be_left_out(key):
    section, name = key
    config = shipped()
    published = config[section].pop(name)
    check(config)
    assert config[section][name] == published


def test_every_key_has_a_description():
    """The schema is the reference of the config; what it does not say is said nowhere."""
    schema = yaml.safe_load(library.SCHEMA.read_text())

    def lacking(node, path):
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] | node
        if not node.get("description"):
            yield path
        for name, child in node.get("properties", {}).items():
            yield from lacking(child, f"{path}.{name}")

    assert list(lacking(schema, "config")) == []


@pytest.mark.parametrize(
    ("arguments", "override", "sentence"),
    [
        (["--dry-run"], {"recall": {"lr": 0}}, "recall.lr is 0; it must be greater than 0"),
        (
            ["--forceall"],
            {"timing": {"models": ["lsmt"]}},
            "timing.models names lsmt, which models: does not define; did you mean lstm?",
        ),
    ],
    ids=["dry run of a wrong value", "real run of a wrong model"],
)
def test_snakemake_says_the_sentence_and_leaves_everything_alone(
    tmp_path, arguments, override, sentence
):
    project = Project.copy(tmp_path / "project")
    table = project / "results/tables/recall.csv"
    table.parent.mkdir(parents=True)
    table.write_text("of an earlier run")
    before = project.results()
    output = project.snakemake(*arguments, config=override, expect=1)
    assert sentence in output
    assert "Traceback" not in output
    assert project.results() == before
