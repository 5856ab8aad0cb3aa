"""Statement files: each mistake gets its sentence, and those that ship say what they should."""

import copy
import re
from itertools import pairwise

import pytest
import yaml

from tests.conftest import ROOT, shipped
from workflow.seqbench.config import TARGETS, check
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.judging.statements import experiments_of, load, load_all, options
from workflow.seqbench.judging.verdicts import verdict_table
from workflow.seqbench.log import UserError
from workflow.seqbench.results.measures import MEASURES
from workflow.seqbench.results.selecting import EVERY, Run

FOLDER = ROOT / "workflow/statements"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PRINTED = ["original_timing", "original_recall"]  # what the notebook printed, workflow/original/
CONDITION = {
    "cells": {"experiment": "timing", "models": ["lstm", "other"]},
    "measure": "ratio",
    "at": "each",
    "accepted": [0, 1],
}
STATEMENT = {"id": "one", "source": "a book", "conditions": {"c": CONDITION}}


@pytest.fixture
def write(tmp_path):
    """Write a file of statements, one of them with changes; its path."""

    def write(statement=(), cells=(), **condition):
        one = copy.deepcopy(STATEMENT) | dict(statement)
        one["conditions"]["c"]["cells"] |= dict(cells)
        one["conditions"]["c"] |= condition
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({"statements": [one]}))
        return path

    return write


def refusals(path):
    with pytest.raises(UserError) as caught:
        load(path)
    prefix = f"{path}: "
    lines = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def test_a_right_file_loads_as_written(write):
    assert load(write()) == [STATEMENT]
    assert options(CONDITION | {"of": "cold_s", "shown": []}) == {"of": "cold_s"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measure": "ratios"}, "one, c: measure is 'ratios'; did you mean ratio?"),
        ({"on": "cold_s"}, "one, c: ratio has no option on; allowed: of"),
        ({"measure": "median"}, "one, c: median takes 1 models"),
        (
            {"measure": "zero_loss_share", "by": 50, "cells": {"models": ["lstm"]}},
            "one, c: zero_loss_share lacks its option loss",
        ),
        ({"shown": [{"measure": "raito"}]}, "one, c: measure is 'raito'; did you mean ratio?"),
        ({"cells": {"seq_lens": [100]}}, "one, c: seq_lens needs one length for each model"),
        (
            {"at": "sometimes"},
            "statements.0.conditions.c.at is 'sometimes'; at is each, longest, any, or a length in tokens.",
        ),
        (
            {"accepted": [1]},
            "statements.0.conditions.c.accepted is [1]; accepted is [lowest, highest], or such a range"
            " for single lengths.",
        ),
        (
            {"cells": {"model": "lstm"}},
            "unknown key statements.0.conditions.c.cells.model; did you mean models?",
        ),
        ({"statement": {"sorce": "x"}}, "unknown key statements.0.sorce; did you mean source?"),
        ({"statement": {"id": "a b"}}, "statements.0.id is 'a b'; an id is letters, digits and _"),
        ({"statement": {"title": 3}}, "statements.0.title is 3; it must be text"),
    ],
)
def test_a_mistake_gets_one_sentence(write, change, said):
    assert refusals(write(**change)) == [said]


def test_every_mistake_is_told_at_once(write):
    path = write(measure="raito", shown=[{"measure": "medain"}])
    assert len(refusals(path)) == 2
    path = write({"title": 3, "id": "a b"})
    assert len(refusals(path)) == 2


def test_an_id_may_stand_once(tmp_path):
    (tmp_path / "twice.yaml").write_text(yaml.safe_dump({"statements": [STATEMENT, STATEMENT]}))
    assert refusals(tmp_path / "twice.yaml") == ["the id one stands twice"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "is no YAML: "),
        ("", "the file is None; it must be a mapping"),
        ("statements: &a [*a]", "contains itself"),
        ("thresholds: 1\nthresholds: 2", "line 2: thresholds stood in line 1 already"),
        ("a: 2026-02-31", "is no YAML: day is out of range"),
        ("a: !!python/name:os.system", "is no YAML: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_document_is_refused(tmp_path, content, said):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(UserError, match=rf"^\S*mine.yaml.*{said}[^\n]*$"):
        load(tmp_path / "mine.yaml")


# What ships


def conditions(name):
    """(statement, condition) of a file, conditions one by one."""
    return [(s, c) for s in load(FOLDER / f"{name}.yaml") for c in s["conditions"].values()]


@pytest.fixture(scope="module")
def plan():
    return check(shipped(), local=False)


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_ships_loads(name):
    assert load(FOLDER / f"{name}.yaml")


def test_no_id_stands_in_two_files(tmp_path):
    assert len(load_all(*(FOLDER / f"{name}.yaml" for name in FILES))) == len(FILES)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"statements": [STATEMENT]}))
    with pytest.raises(UserError, match=r"the id one stands in two of \S+a.yaml, \S+b.yaml$"):
        load_all(tmp_path / "a.yaml", tmp_path / "b.yaml")


@pytest.mark.parametrize("name", FILES)
def test_what_ships_is_complete_and_every_range_can_be_met(name):
    for statement, condition in conditions(name):
        titled = dict.fromkeys(("audit", "answers"), {"title", "sentence"})
        about = ({"claims": {"quote", "rule"}} | titled).get(name, {"sentence"})
        assert set(statement) == {"id", "source", "conditions", *about}
        accepted = condition.get("accepted", [0, 1])
        for low, high in accepted.values() if isinstance(accepted, dict) else [accepted]:
            assert low < high
        if name not in titled:
            assert "accepted" in condition  # nothing is claimed or expected without a range


@pytest.mark.parametrize("name", ["claims", "audit"])
def test_the_published_run_has_the_cells_of_every_claim_and_step(plan, name):
    """Models and lengths in the experiment, made with the settings that the condition needs."""
    for statement, condition in conditions(name):
        cells = condition["cells"]
        experiment = cells["experiment"]
        if experiment in PRINTED:
            continue
        for model in cells["models"]:
            lengths = {c["seq_len"] for c in plan.cells(experiment) if c["model"] == model}
            assert lengths, f"{statement['id']}: {experiment} has no {model}"
            at = condition.get("at")
            assert not isinstance(at, int) or at in lengths
            settings = plan.settings(experiment, model=model, seq_len=max(lengths))
            needs = cells.get("needs", {})
            assert {key: settings[key] for key in needs} == needs, statement["id"]


@pytest.mark.parametrize("name", FILES)
def test_statements_name_experiments_and_models_that_exist(name):
    presets = [shipped(path) for path in sorted(ROOT.glob("workflow/presets/*.yaml"))]
    config = shipped()
    known = {EVERY, *(model for one in (config, *presets) for model in one["models"])}
    assert set(experiments_of(load(FOLDER / f"{name}.yaml"))) <= {*config["experiments"], *PRINTED}
    for _, condition in conditions(name):
        assert set(condition["cells"]["models"]) <= known


def test_every_measure_is_used():
    """By a statement, or by the table `ratios`."""
    used = {
        specification["measure"]
        for name in FILES
        for _, condition in conditions(name)
        for specification in (condition, *condition.get("shown", []))
    }
    assert set(MEASURES) - used <= {"mean_ratio", "crossing"}


def test_quotes_stand_in_the_originals_readme():
    lines = (ROOT / "workflow/original/readme.txt").read_text().splitlines()
    assert "https://github.com/Rishabh23112/RNN_vs_Transformers" in lines[1]
    text = " ".join(lines[2:])
    for claim in load(FOLDER / "claims.yaml"):
        at = 0
        for part in filter(None, (part.strip() for part in claim["quote"].split("[...]"))):
            assert part in text[at:], f"{claim['id']}: {part}"
            at = text.index(part, at) + len(part)


def test_the_sources_that_are_files_exist():
    for name in FILES:
        for statement in load(FOLDER / f"{name}.yaml"):
            if statement["source"].startswith("workflow/"):
                assert (ROOT / statement["source"]).is_file()


def test_reproduce_makes_the_verdicts():
    """The command names a target that there is, and that rule asks for the judge's tables."""
    claims = load(FOLDER / "claims.yaml")
    table = verdict_table(claims, findings(claims, Run({})))
    [command] = table["reproduce"].unique()
    target = re.fullmatch(r"snakemake --cores 4 (\w+)", command)[1]
    assert target in TARGETS
    rules = "\n".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
    [body] = re.findall(rf"^rule {target}:\n((?:    .*\n|\n)+)", rules, re.MULTILINE)
    assert "rules.judge.output" in body


# The audit's sentences against the config


def changed(plan, experiment, a, b):
    """Options and training settings in which two models of an experiment differ."""
    a, b = (plan.model(experiment, model) | training(plan, experiment, model) for model in (a, b))
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}


def training(plan, experiment, model):
    """The model's learning rate where the experiment trains."""
    settings = plan.settings(experiment, model=model, seq_len=100)
    return {key: settings[key] for key in ("lr",) if key in settings}


def test_steps_of_the_audit_change_what_they_say(plan):
    """One model's options against those of the step before, as its sentence has it."""
    steps = {
        statement["id"]: condition["cells"]
        for statement, condition in conditions("audit")
        if condition["cells"]["experiment"] not in PRINTED
    }
    times = [
        (s["experiment"], s["models"][0]) for name, s in steps.items() if name.startswith("time")
    ]
    assert [model for _, model in times[:3]] == ["transformer"] * 3
    assert all(s["models"][1] == "lstm" for name, s in steps.items() if name.startswith("time"))
    said = [{"layers", "dim_feedforward", "match_parameters_to", "dropout"}, {"attention"}]
    assert [changed(plan, "timing", a[1], b[1]) for a, b in pairwise(times[2:])] == said
    modes = [plan.settings(e, model=m, seq_len=100)["mode"] for e, m in times]
    assert modes == ["train", "train", "eval", "eval", "eval"]

    ladder = ["transformer", "transformer_no_dropout", "transformer_small", "transformer_matched"]
    trained = [name for name in steps if name.startswith("recall")]
    assert [steps[name]["models"] for name in trained[1:4]] == [[model] for model in ladder[1:]]
    said = [{"dropout"}, {"dim_feedforward"}, {"positions"}]
    width = {"dim_feedforward", "match_parameters_to", "layers"}  # layers: 1 is the default
    found = [changed(plan, "recall", a, b) for a, b in pairwise(ladder)]
    assert [step - {"layers"} for step in found[:2]] == said[:2]
    assert found[2] - width == said[2]  # that the width is the same: test_models.py
    assert changed(plan, "recall", "lstm", "lstm_chrono") == {"init", "lr"}
    [chrono] = [s for s, _ in conditions("audit") if s["id"] == "recall_chrono"]
    assert "learning rate" in chrono["sentence"]
