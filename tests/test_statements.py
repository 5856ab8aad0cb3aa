"""Statement files: each mistake gets its sentence, and those that ship say what they should."""

import copy
import re

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
    assert experiments_of(CONDITION) == ["timing", "timing"]
    [two] = load(write(cells={"experiment": ["timing", "decode"]}))
    assert experiments_of(two["conditions"]["c"]) == ["timing", "decode"]


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
            {"cells": {"experiment": ["timing"]}},
            "one, c: experiment needs one name, or one for each model",
        ),
        (
            {"cells": {"experiment": 7}},
            "statements.0.conditions.c.cells.experiment is 7; experiment is the name of an experiment,"
            " or a list of one for each model.",
        ),
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


FULL = "workflow/presets/full.yaml"


@pytest.fixture(scope="module")
def plan():
    """That of the published run."""
    return check(shipped(FULL), local=False)


@pytest.fixture(scope="module")
def default_plan():
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


ABOUT = {
    "claims": {"quote", "rule", "number"},
    "causes": {"title", "sentence"},
    "audit": {"title", "sentence"},
    "answers": {"title", "sentence"},
    "recall_answers": {"title", "sentence"},
    "expectations": {"sentence"},
}


@pytest.mark.parametrize("name", FILES)
def test_what_ships_is_complete_and_every_range_can_be_met(name):
    for statement in load(FOLDER / f"{name}.yaml"):
        assert set(statement) - {"also"} == {"id", "source", "conditions", *ABOUT[name]}
        judged = [c for c in statement["conditions"].values() if "accepted" in c]
        for accepted in (condition["accepted"] for condition in judged):
            for low, high in accepted.values() if isinstance(accepted, dict) else [accepted]:
                assert low < high
        if name not in ("audit", "answers", "recall_answers"):
            assert judged  # nothing is claimed or expected without a range


def lengths_of(plan, condition):
    """Lengths at which the run has the cells of a condition; those of the reference are in others'."""
    lengths = []
    for experiment, model in zip(
        experiments_of(condition), condition["cells"]["models"], strict=True
    ):
        if experiment not in plan.names(on_demand=False):
            return set()
        part = plan.experiments[experiment]
        in_turns = model not in part["models"] and model == part.get("relative_to")
        everyone = model == EVERY or in_turns
        lengths.append(
            {c["seq_len"] for c in plan.cells(experiment) if everyone or c["model"] == model}
        )
    wanted = condition["cells"].get("seq_lens")
    if wanted:
        return {n for n, known in zip(wanted, lengths, strict=True) if n in known}
    return set.intersection(*lengths)


def printed(condition):
    return condition["cells"]["experiment"] in PRINTED


@pytest.mark.parametrize("name", FILES)
def test_the_published_run_has_the_cells_of_every_statement(plan, name):
    """Models and lengths in an experiment that it makes, with the settings that the condition needs."""
    for statement, condition in conditions(name):
        if printed(condition):
            continue
        lengths, where = lengths_of(plan, condition), (statement["id"], condition["cells"])
        assert lengths >= set(condition["cells"].get("seq_lens", [])), where
        at = condition.get("at")
        assert at in lengths if isinstance(at, int) else lengths, where
        derived = {"solved"}  # of a cell's result
        needs = {k: v for k, v in condition["cells"].get("needs", {}).items() if k not in derived}
        for experiment, model in zip(
            experiments_of(condition), condition["cells"]["models"], strict=True
        ):
            model = plan.experiments[experiment]["models"][0] if model == EVERY else model
            settings = plan.settings(experiment, model=model, seq_len=max(lengths))
            assert {key: settings[key] for key in needs} == needs, where


def test_the_default_run_judges_every_claim(default_plan):
    """At least under one protocol, and the proper one where it is not the original's alone."""
    for claim in load(FOLDER / "claims.yaml"):
        made = {
            name
            for name, condition in claim["conditions"].items()
            if (lengths := lengths_of(default_plan, condition))
            and (not isinstance(condition.get("at"), int) or condition["at"] in lengths)
        }
        assert made & {"properly measured", "at every length"}, claim["id"]


@pytest.mark.parametrize("name", FILES)
def test_statements_name_experiments_and_models_that_exist(name):
    config = shipped()
    for _, condition in conditions(name):
        assert set(experiments_of(condition)) <= {*config["experiments"], *PRINTED}
        assert set(condition["cells"]["models"]) <= {EVERY, *config["models"]}


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


def test_the_gradient_claim_rests_on_interventions_as_they_were_fixed_in_causes():
    """Cells, measure and range; the claim's one number is of such a condition where the run has it."""
    [claim] = [one for one in load(FOLDER / "claims.yaml") if one["id"] == "vanishing_gradient"]
    causes = {s["id"]: s["conditions"] for s in load(FOLDER / "causes.yaml")}
    for name, (cause, condition) in {
        "gradient cut": ("gradient_cut", "cut"),
        "gradient helped": ("asked_everywhere", "asked everywhere"),
    }.items():
        fixed = {k: v for k, v in causes[cause][condition].items() if k != "shown"}
        assert claim["conditions"][name] == fixed
    assert claim["number"][0].startswith("{gradient cut.found}")


def test_verdicts_are_reproduced_as_the_run_was_called(monkeypatch):
    monkeypatch.setenv("SEQBENCH", f"snakemake --cores 4 --configfile {FULL}")
    claims = load(FOLDER / "claims.yaml")
    [command] = verdict_table(claims, findings(claims, Run({})))["reproduce"].unique()
    assert command == f"snakemake --cores 4 --configfile {FULL} -- verdicts"


def test_reproduce_makes_the_verdicts():
    """The command names a target that there is, and that rule asks for the judge's tables."""
    claims = load(FOLDER / "claims.yaml")
    table = verdict_table(claims, findings(claims, Run({})))
    [command] = table["reproduce"].unique()
    target = re.fullmatch(r"snakemake --cores 4 -- (\w+)", command)[1]
    assert target in TARGETS
    rules = "\n".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
    [body] = re.findall(rf"^rule {target}:\n((?:    .*\n|\n)+)", rules, re.MULTILINE)
    assert "rules.judge.output" in body


# The audit's sentences against the config


SAMPLING = {"min_samples", "max_samples", "max_seconds", "called_before"}  # how long one looks


def changed(a, b):
    """What differs in all that two cells, (experiment, model), are made of; how each was tuned aside."""
    same_rates = {"experiments": {name: {"lr": 0.005} for name in ("recall", "recall_original")}}
    plan = check(shipped(FULL, same_rates), local=False)
    a, b = (
        plan.model(experiment, model) | plan.settings(experiment, model=model, seq_len=100)
        for experiment, model in (a, b)
    )
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)} - SAMPLING


AUDIT = {
    (s["id"], name): (c["cells"]["experiment"], c["cells"]["models"][0])
    for s in load(FOLDER / "audit.yaml")
    for name, c in s["conditions"].items()
}
SIZE = {"layers", "dim_feedforward", "match_parameters_to"}
TIMES, LSTM, TRANSFORMER = (
    {statement: cells for (statement, name), cells in AUDIT.items() if name == part}
    for part in ("time", "lstm", "transformer")
)


@pytest.mark.parametrize(
    ("part", "before", "after", "said"),
    [
        (TIMES, "time_original", "time_warm", {"calls"}),
        (TIMES, "time_warm", "time_buffers", {"malloc"}),
        (TIMES, "time_buffers", "time_eval", {"mode"}),
        (TIMES, "time_eval", "time_matched", {*SIZE, "dropout"}),
        (TIMES, "time_matched", "time_system", {"malloc"}),
        (TIMES, "time_matched", "time_fused", {"attention"}),
        (LSTM, "recall_original", "recall_budget", {"steps", "steps_after_solved"}),
        (LSTM, "recall_budget", "recall_readout", {"readout"}),
        (LSTM, "recall_budget", "recall_chrono", {"init"}),
        (TRANSFORMER, "recall_original", "recall_budget", {"steps", "steps_after_solved"}),
        (TRANSFORMER, "recall_budget", "recall_no_dropout", {"dropout"}),
        (TRANSFORMER, "recall_no_dropout", "recall_small", {"dim_feedforward"}),
        # The width is the same: test_models.py; the matched one finds it.
        (TRANSFORMER, "recall_small", "recall_sinusoidal", {"positions", *SIZE}),
        (TRANSFORMER, "recall_sinusoidal", "recall_readout", {"readout"}),
    ],
)
def test_a_step_of_the_audit_changes_what_it_says(part, before, after, said):
    """And nothing else: one cell's options and settings against those of the step before."""
    assert changed(part[before], part[after]) - {"layers"} == said - {"layers"}


def test_every_step_of_the_audit_is_held_against_the_one_before():
    """Those above are all; the printed ones are compared with nothing."""
    steps = [statement["id"] for statement in load(FOLDER / "audit.yaml")]
    assert list(TIMES) == [step for step in steps if step.startswith("time")]
    assert {*LSTM, *TRANSFORMER} == {s for s in steps if s.startswith("recall")}
    assert all(
        c["cells"]["models"][1] == "lstm" for s, c in conditions("audit") if s["id"] in TIMES
    )


def test_every_training_of_the_audit_beyond_the_originals_has_a_rate_of_its_own(plan):
    for experiment in {e for e, _ in [*LSTM.values(), *TRANSFORMER.values()]} - {*PRINTED}:
        asked = plan.experiments[experiment]["lr"]
        assert asked == (0.005 if experiment == "recall_original" else "tuned")
