"""A config that cannot be run is refused in a sentence: the key, the value, what is allowed."""

import math
import os

import pytest
import torch
import yaml

from tests.conftest import ROOT, SMOKE, Project, shipped
from workflow.seqbench import config as library
from workflow.seqbench import models
from workflow.seqbench.config import ConfigError, check
from workflow.seqbench.log import UserError

PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))

# Name of the case: what is put over config.yaml, and what the sentence says.
WRONG = {
    "unknown key": (
        {"experiments": {"timing": {"seq_len": [100]}}},
        "experiments.timing.seq_len",
        "did you mean seq_lens?",
    ),
    "unknown key at the top": ({"experiment": {}}, "experiment", "did you mean experiments?"),
    "experiment of the old form": ({"timing": {"seeds": [0]}}, "timing", "allowed:", "experiments"),
    "like an experiment that is not there": (
        {"experiments": {"mine": {"like": "timings"}}},
        *("experiments.mine.like", "'timings'", "allowed: timing, ", "timing_audit"),
    ),
    "like itself by way of another": (
        {"experiments": {"mine": {"like": "yours"}, "yours": {"like": "mine"}}},
        *("experiments.mine.like", "circle", "mine -> yours -> mine"),
    ),
    "like one of the other kind": (
        {"experiments": {"mine": {"like": "timing", "kind": "training"}}},
        *("experiments.mine.kind", "timing"),
    ),
    "no kind": (
        {"experiments": {"mine": {"models": ["lstm"]}}},
        *("experiments.mine.kind", "None", "timing, training"),
    ),
    "a name that is a target": (
        {"experiments": {"publish": {"like": "timing"}}},
        *("experiments.publish", "target"),
    ),
    "a name that is no file name": (
        {"experiments": {"a b": {"like": "timing"}}},
        *("'a b'", "letters, digits"),
    ),
    "a setting of the other kind": (
        {"experiments": {"mine": {"like": "timing", "steps": 5}}},
        *("unknown key experiments.mine.steps",),
    ),
    "a tuned rate among those to tune by": (
        {"experiments": {"tuning": {"learning_rates": [0.01, "tuned"]}}},
        *("experiments.tuning.learning_rates.1", "'tuned'", "number"),
    ),
    "a model to add that is not there": (
        {"experiments": {"timing": {"add_models": ["rwkv"]}}},
        *("experiments.timing.models", "rwkv"),
    ),
    "seeds of a model that is not there": (
        {"experiments": {"timing": {"seeds_of": {"lsmt": {100: [0]}}}}},
        *("experiments.timing.seeds_of", "lsmt", "did you mean lstm?"),
    ),
    "matched to nothing": (
        {"models": {"transformer_matched": {"match_parameters_to": "lsmt"}}},
        *("models.transformer_matched.match_parameters_to", "'lsmt'", "did you mean lstm?"),
    ),
    "matched to one that is matched itself": (
        {"models": {"transformer_sdpa_matched": {"match_parameters_to": "transformer_matched"}}},
        *("models.transformer_sdpa_matched.match_parameters_to", "itself"),
    ),
    "matched and of a width": (
        {"models": {"transformer_matched": {"dim_feedforward": 99}}},
        *("models.transformer_matched", "finds dim_feedforward", "sets itself"),
    ),
    "matched without a width to find": (
        {"models": {"lstm_chrono": {"match_parameters_to": "lstm"}}},
        *("models.lstm_chrono", "dim_feedforward", "does not have"),
    ),
    "one table of tuned rates for a list": ({"tuned_by": "mine.csv"}, "tuned_by", "a list"),
    "unknown key, nothing near": ({"pathvars": {"zzz": "x"}}, "pathvars.zzz", "allowed: results"),
    "text for a number": (
        {"experiments": {"recall": {"steps": "many"}}},
        "experiments.recall.steps",
        "'many'",
        "a whole number",
    ),
    "number as YAML misreads it": (
        {"experiments": {"recall": {"lr": "1e-3"}}},
        "experiments.recall.lr",
        "'1e-3'",
        "0.001",
    ),
    "fraction for a count": (
        {"experiments": {"timing": {"threads": 1.5}}},
        "experiments.timing.threads",
        "1.5",
        "whole number",
    ),
    "number for a list": (
        {"experiments": {"timing": {"seeds": 3}}},
        "experiments.timing.seeds",
        "is 3",
        "a list",
    ),
    "text for a mapping": ({"models": {"lstm": "lstm"}}, "models.lstm", "'lstm'", "a mapping"),
    "nothing for a mapping": ({"experiments": {"recall": None}}, "recall", "None", "a mapping"),
    "empty list": (
        {"experiments": {"recall": {"seq_lens": []}}},
        "experiments.recall.seq_lens",
        "is []",
        "at least 1",
    ),
    "duplicate seed": (
        {"experiments": {"timing": {"seeds": [0, 1, 1]}}},
        "experiments.timing.seeds",
        "1 twice",
    ),
    "negative seed": (
        {"experiments": {"recall": {"seeds": [0, -1]}}},
        "experiments.recall.seeds.1",
        "-1",
        "at least 0",
    ),
    "seq_len 0": (
        {"experiments": {"timing": {"seq_lens": [0, 100]}}},
        "experiments.timing.seq_lens.0",
        "is 0",
        "at least 1",
    ),
    "duplicate model": (
        {"experiments": {"recall": {"models": ["lstm"] * 2}}},
        "experiments.recall.models",
        "lstm twice",
    ),
    "lr of 0": (
        {"experiments": {"recall": {"lr": 0}}},
        "experiments.recall.lr",
        "is 0",
        "greater than 0",
    ),
    "a model's lr of 0": (
        {"models": {"lstm": {"training": {"lr": 0}}}},
        *("models.lstm.training.lr", "is 0", "greater than 0"),
    ),
    "accuracy over 1": (
        {"experiments": {"recall": {"solved_accuracy": 99}}},
        *("experiments.recall.solved_accuracy", "99", "at most 1"),
    ),
    "dropout of 1": (
        {"models": {"transformer": {"dropout": 1}}},
        *("models.transformer.dropout", "is 1", "less than 1"),
    ),
    "mode": (
        {"experiments": {"timing": {"mode": "evl"}}},
        "experiments.timing.mode",
        "'evl'",
        "eval, train",
        "did you mean eval?",
    ),
    "device": (
        {"experiments": {"timing": {"device": "gpu"}}},
        "experiments.timing.device",
        "'gpu'",
        "cpu, cuda",
    ),
    "name with a slash": (
        {"models": {"a/b": {"architecture": "lstm"}}},
        "'a/b'",
        "letters, digits",
    ),
    "no architecture": ({"models": {"new": {"layers": 1}}}, "models.new", "lacks", "architecture"),
    "heads": (
        {"models": {"transformer": {"heads": 3}}},
        *("models.transformer.heads", "is 3", "divide experiments.timing.d_model", "128"),
    ),
    "model of timing": (
        {"experiments": {"timing": {"models": ["lsmt"]}}},
        *("experiments.timing.models", "lsmt", "did you mean lstm?"),
    ),
    "model of recall": (
        {"experiments": {"recall": {"models": ["lstm", "rwkv"]}}},
        *("experiments.recall.models", "rwkv", "allowed:", "transformer_matched"),
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
        {"models": {"lstm": {"training": {"heads": 2}}}},
        *("models.lstm", "heads", "architecture lstm", "allowed:", "init"),
    ),
    "value of an option": (
        {"models": {"lstm": {"init": "chronos"}}},
        *("models.lstm.init", "'chronos'", "did you mean chrono?"),
    ),
    "task": (
        {"experiments": {"recall": {"task": "last_token"}}},
        "experiments.recall.task",
        "'last_token'",
        "first_token",
    ),
    "workload": (
        {"experiments": {"timing": {"workload": "backward"}}},
        "experiments.timing.workload",
        "'backward'",
        "forward",
    ),
    "a rate that is no number": (
        {"experiments": {"recall": {"lr": math.nan}}},
        *("experiments.recall.lr is nan", "a finite number"),
    ),
    "an option that is infinite": (
        {"models": {"lstm": {"forget_bias": math.inf}}},
        *("models.lstm.forget_bias is inf", "a finite number"),
    ),
    "a seed that no shard can hold": (
        {"experiments": {"timing": {"seeds": [2**70]}}},
        *("experiments.timing.seeds.0", str(2**70), "below 2^63"),
    ),
    "a seed at a length that is text": (
        {"experiments": {"timing": {"seeds_of": {"lstm": {"100": [0]}}}}},
        *("experiments.timing.seeds_of.lstm", "'100'", "whole number"),
    ),
    "a long name": (
        {"models": {"m" * 300: {"architecture": "lstm"}}},
        *("'mmm", "up to 100 letters"),
    ),
    "a name of two lines": (
        {"experiments": {"mine\n": {"like": "timing"}}},
        *("'mine\\n'", "letters, digits"),
    ),
    "a name that is a number": ({"models": {7: {"architecture": "lstm"}}}, "is 7", "text"),
    "a name that is a folder": (
        {"experiments": {"tables": {"like": "timing"}}},
        *("experiments.tables", "folder"),
    ),
    "threads": (
        {"experiments": {"timing": {"threads": 4096}}},
        *("experiments.timing.threads", "4096", f"{len(os.sched_getaffinity(0))} cores"),
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


@pytest.mark.parametrize(
    "folder",
    [
        *("results/reference/cpu", "results/reference", "workflow", "workflow/mine", "tests/a"),
        *("../elsewhere", "a/../../b", ".", ".git", "a b", "r{model}", "(a|b)+", "a*", "", "a//b"),
        *("README.md", "README.md/a", str(ROOT / "workflow"), "a\n", "x" * 300),
    ],
)
def test_a_run_is_kept_where_it_destroys_nothing(folder):
    (sentence,) = problems({"pathvars": {"results": folder}})
    assert "pathvars.results is" in sentence


@pytest.mark.parametrize("folder", [ROOT, ROOT.parent])
def test_a_run_is_not_kept_around_the_project(tmp_path, folder):
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link"):
        (sentence,) = problems({"pathvars": {"results": str(path)}})
        assert "the project itself is in it" in sentence


def test_a_link_to_the_published_run_is_seen_through(tmp_path):
    (tmp_path / "link").symlink_to(ROOT / "results/reference")
    (sentence,) = problems({"pathvars": {"results": str(tmp_path / "link/cpu")}})
    assert "reference is the project's own" in sentence


@pytest.mark.parametrize("folder", ["results", "results/mine", "results.v2", "/scratch/me/run-1/"])
def test_a_run_may_be_kept_in_any_other_folder(folder):
    check(shipped({"pathvars": {"results": folder}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base_seed: 1\nbase_seed: 2\n", "line 2: base_seed stood in line 1 already"),
        ("models:\n  a: {x: 1, y: 2, x: 1}\n", "line 2: x stood in line 2 already"),
        ("models: &a\n  b: *a\n", "line 1: the part of this anchor contains itself"),
    ],
)
def test_what_yaml_reads_in_silence_is_refused(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        check(shipped(), files=[tmp_path / "mine.yaml"])
    assert str(caught.value) == f"{tmp_path}/mine.yaml, {said}"


def test_keys_merged_from_an_anchor_may_be_set_again(tmp_path):
    (tmp_path / "mine.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\n")
    check(shipped(), files=[tmp_path / "mine.yaml"])


# Each reads the file in a way of its own: an object is made, a function is named, a day is no day.
UNREADABLE = {
    "object": "!!python/object/apply:os.mkdir [ran]",
    "name": "!!python/name:os.mkdir",
    "tuple": "!!python/tuple [1, 2]",
    "date": "2026-13-45",
    "colon": "a: b: c",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path, what):
    (tmp_path / "mine.yaml").write_text(f"base_seed: {UNREADABLE[what]}\n")
    with pytest.raises(ConfigError) as caught:
        check(shipped(), files=[tmp_path / "mine.yaml"])
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml cannot be read: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, what", [("config.yaml", "object"), ("config.yaml", "date"), (SMOKE, "object")]
)
def test_snakemake_reads_no_object_from_a_config(tmp_path, name, what):
    project = Project.copy(tmp_path / "project")
    with open(project / name, "a") as file:
        file.write(f"\nextra: {UNREADABLE[what]}\n")
    output = project.snakemake("--dry-run", expect=1)
    assert "cannot be read" in output or "is not valid JSON or YAML" in output
    assert "Traceback" not in output and not (project / "ran").exists()


BOMB = "raise SystemExit('this ran')\n"


@pytest.mark.parametrize(
    ("files", "architecture", "said"),
    [
        (
            {"mine.py": "class Net:\n    def (\n"},
            "mine:Net",
            "mine.py, line 2 is no Python: invalid syntax",
        ),
        (
            {"mine.py": "x = 1\0"},
            "mine:Net",
            "source code string cannot contain null bytes",
        ),
        ({"mine.py": "\xff"}, "mine:Net", "mine.py is no Python: "),
        ({"mine.py": BOMB}, "mine:Net", "module mine has no class Net"),
        (
            {"mine/__init__.py": BOMB, "mine/net.py": BOMB},
            "mine.net:Net",
            "module mine.net has no class Net",
        ),
        ({"mine/__init__.py": BOMB}, "mine.net:Net", "there is no module mine.net"),
        ({"mine.so": ""}, "mine:Net", "module mine is no Python file"),
        ({}, "sys:path", "module sys is no Python file"),
        ({}, "os.path:join", "there is no module os.path"),
        ({}, "a..b:C", "there is no module a..b"),
        ({}, ":C", "there is no module "),
        ({}, "../../etc/passwd", "there is no module"),
    ],
)
def test_an_architecture_is_read_and_never_run(tmp_path, monkeypatch, files, architecture, said):
    """One sentence with file and line; what is imported on the way does not run either."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="latin-1")
    monkeypatch.syspath_prepend(tmp_path)
    models.options.cache_clear()
    (sentence,) = problems({"models": {"mine": {"architecture": architecture}}})
    assert sentence.startswith(f"models.mine.architecture is {architecture!r}: ")
    assert said in sentence


def test_cuda_where_there_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sentence, *others = problems({"experiments": {"recall": {"device": "cuda"}}})
    like_recall = set(resolved_as("training")) - {"recall"}
    assert {other.split(".")[1] for other in others} == like_recall
    assert all(
        part in sentence
        for part in ("experiments.recall.device", "'cuda'", "no CUDA device", "cpu")
    )


def test_cuda_is_not_asked_of_the_machine_that_only_submits_jobs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check(
        shipped({"experiments": {"recall": {"device": "cuda"}, "timing": {"threads": 4096}}}),
        local=False,
    )


def test_every_problem_is_named_at_once():
    sentences = problems(
        {"experiments": {"decode": {"seeds": [-1]}, "recall_audit": {"lr": 0, "stpes": 5}}}
    )
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
    experiment, name = key
    config = shipped()
    published = config["experiments"][experiment].pop(name)
    assert check(config).experiments[experiment][name] == published
    assert name not in config["experiments"][experiment]  # the user's config stays as it is


# Experiments as data.


def resolved(*overrides):
    return check(shipped(*({"experiments": override} for override in overrides))).experiments


def resolved_as(kind):
    """Names of the shipped experiments of a kind, all of them like one of the first two."""
    return check(shipped(), local=False).names(kind)


def test_a_changed_setting_reaches_every_experiment_that_is_like_the_changed_one():
    plain, changed = resolved(), resolved({"timing": {"d_model": 64}})
    assert {"timing", "timing_audit_malloc", "decode"} <= set(
        resolved_as("timing")
    )  # two steps away
    for name in plain:
        differs = {key for key in plain[name] if plain[name][key] != changed[name][key]}
        assert differs == ({"d_model"} if plain[name]["kind"] == "timing" else set())


def test_a_key_of_its_own_stands_above_the_one_that_it_is_like():
    experiments = resolved({"timing": {"mode": "train", "seeds": [7]}, "decode": {"mode": "eval"}})
    assert (experiments["decode"]["mode"], experiments["timing_threads2"]["mode"]) == (
        *("eval", "train"),
    )
    assert experiments["tuning"]["seeds"] == [1000] and experiments["decode"]["seeds"] == [7]


@pytest.mark.parametrize("key", ["seq_lens", "seeds"])
def test_a_list_of_its_own_leaves_out_what_the_other_says_of_single_models(key):
    """Else models would keep lengths and seeds that the list was meant to replace."""
    of = {"lstm": [10]} if key == "seq_lens" else {"lstm": {25: [9]}}
    base = {"like": "recall", "seq_lens_of": {}, "seeds_of": {}, f"{key}_of": of}
    other = {"seeds": "seq_lens", "seq_lens": "seeds"}[key]
    mine = {
        "same": {},
        "listed": {key: [50]},
        "both": {key: [50], f"{key}_of": {"lstm": [75] if key == "seq_lens" else {50: [7]}}},
        "unlike": {other: [50]},
    }
    experiments = resolved(
        {"base": base} | {name: {"like": "base"} | part for name, part in mine.items()},
    )
    said = {name: experiments[name][f"{key}_of"] for name in mine}
    assert said == {"same": of, "listed": {}, "both": mine["both"][f"{key}_of"], "unlike": of}
    # By way of a third, which sets nothing.
    experiments = resolved(
        {"base": base, "b": {"like": "base", key: [50]}, "c": {"like": "b"}},
    )
    assert experiments["c"][f"{key}_of"] == {} and experiments["c"][key] == [50]


def test_models_can_be_added_without_repeating_the_list():
    shipped_ones = resolved()["timing"]["models"]
    added = {"models": {"extra": {"architecture": "gru"}}}
    plan = check(
        shipped(
            added
            | {
                "experiments": {
                    "timing": {"add_models": ["extra", "lstm"]},
                    "b": {"like": "timing"},
                }
            }
        )
    )
    for name in ("timing", "b"):
        assert plan.experiments[name]["models"] == [*shipped_ones, "extra"]
    assert "extra" not in plan.experiments["decode"]["models"]


def test_what_is_made_on_demand_only_is_not_inherited():
    experiments = resolved({"timing": {"on_demand": True}, "mine": {"like": "timing"}})
    assert experiments["timing"]["on_demand"]
    assert not experiments["mine"]["on_demand"]


def test_lengths_and_seeds_may_be_given_for_single_models():
    plan = check(
        shipped(
            {
                "experiments": {
                    "timing": {
                        "models": ["lstm", "transformer"],
                        "seq_lens": [100, 500],
                        "seeds": [0, 1],
                        "seq_lens_of": {"lstm": [100, 9000]},
                        "seeds_of": {"transformer": {500: [], 100: [5]}},
                    }
                }
            }
        )
    )
    cells = [tuple(cell.values()) for cell in plan.cells("timing")]
    lstm = [("lstm", n, seed) for seed in (0, 1) for n in (100, 9000)]
    assert sorted(cells) == sorted([*lstm, ("transformer", 100, 5)])


def test_cells_come_seed_by_seed_and_rate_by_rate():
    plan = check(shipped())
    seeds = [cell["seed"] for cell in plan.cells("timing")]
    assert seeds == sorted(seeds)
    cells = plan.cells("tuning")
    assert [*dict.fromkeys(cell["lr"] for cell in cells)] == plan.experiments["tuning"][
        "learning_rates"
    ]
    assert plan.shard("tuning", cells[0]) == (
        "results/tuning/lr~0.0003/model~lstm/seq_len~25/seed~1000.parquet"
    )
    at_first = [cell for cell in plan.cells("recall") if cell["seed"] == 0]
    assert plan.cells("recall")[: len(at_first)] == at_first  # each model once before the next seed
    cells = plan.cells("timing")
    priorities = [plan.priority("timing", **cell) for cell in cells]
    ranked = sorted(zip(priorities, range(len(cells)), cells, strict=True), reverse=True)
    rounds = [cell for _, _, cell in ranked]
    assert [cell["seed"] for cell in rounds] == sorted(cell["seed"] for cell in cells)
    orders = [[(c["model"], c["seq_len"]) for c in rounds if c["seed"] == seed] for seed in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1], "random in a round"
    assert min(priorities) > max(plan.priority("recall", **cell) for cell in plan.cells("recall"))


TUNED = """\
model,seq_len,lr,chosen
lstm,25,0.01,False
lstm,25,0.002,True
lstm,50,0.004,True
lstm_chrono,25,0.001,True
"""


def tuned_plan(tmp_path, tables, **training):
    """Plan of two models with the tables {name: text} of tuned rates, from a folder of a user's own."""
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    recall = {"models": ["lstm", "lstm_chrono"], "lr": "tuned", "seq_lens": [25, 50]}
    tables = {"tuned_by": [str(tmp_path / name) for name in [*tables, "not_there.csv"]]}
    models = {"models": {"lstm": {"training": training}}}
    return check(shipped(tables, models, {"experiments": {"recall": recall}}))


def test_a_tuned_rate_is_that_of_the_model_at_the_length(tmp_path):
    plan = tuned_plan(tmp_path, {"tuning.csv": TUNED}, steps=9)
    rates = [plan.settings("recall", "lstm", seq_len)["lr"] for seq_len in (25, "50")]
    assert rates == [0.002, 0.004]
    assert plan.settings("recall", "lstm_chrono", 25)["lr"] == 0.001
    assert plan.settings("recall", "lstm", 25)["steps"] == 9
    assert plan.settings("tuning", "lstm", 100, lr="0.0005")["lr"] == 0.0005


def test_of_two_tables_the_first_that_has_a_rate_counts(tmp_path):
    mine = "model,seq_len,lr,chosen\nlstm,25,0.5,True\nlstm,100,0.6,True\nlstm,50,0.7,False\n"
    plan = tuned_plan(tmp_path, {"mine.csv": mine, "tuning.csv": TUNED})
    assert plan.rates == {
        ("lstm", 25): 0.5,
        ("lstm", 100): 0.6,
        ("lstm", 50): 0.004,
        ("lstm_chrono", 25): 0.001,
    }


def test_a_rate_that_a_model_has_of_its_own_is_not_tuned(tmp_path):
    plan = tuned_plan(tmp_path, {"tuning.csv": TUNED}, lr=0.3)
    assert plan.settings("recall", "lstm", 100)["lr"] == 0.3
    assert plan.settings("recall_original", "lstm", 100)["lr"] == 0.3


@pytest.mark.parametrize("tables", [{"tuning.csv": TUNED}, {}], ids=["another length", "no table"])
def test_a_cell_without_a_tuned_rate_says_what_to_do(tmp_path, tables):
    plan = tuned_plan(tmp_path, tables)
    with pytest.raises(UserError) as caught:
        plan.settings("recall", "lstm_chrono", 50)
    sentence = str(caught.value)
    assert "experiments.recall.lr is tuned" in sentence and "\n" not in sentence
    assert "rate for lstm_chrono at 50 tokens" in sentence
    assert "make tune" in sentence and "write a number" in sentence
    # What is not asked for needs no rate, and rates that are written need no table.
    assert plan.settings("forget_bias", "lstm_bias_1", 50)["lr"] == 0.005
    assert plan.settings("timing", "lstm", 100)["d_model"] == 128


@pytest.mark.parametrize(
    "text",
    [
        b"model,seq_len,lr\nlstm,25,0.01\n",
        b"seq_len,lr,chosen\n25,0.01,True\n",
        b"model,seq_len,lr,chosen\nlstm,25,fast,True\n",
        b"model,seq_len,lr,chosen\nlstm,25,nan,True\n",
        b"model,seq_len,lr,chosen\nlstm,25,-1,True\n",
        b"model,seq_len,lr,chosen\nlstm,,0.01,True\n",
        b"PAR1\xff\xfe\x00",
    ],
    ids=str,
)
def test_a_table_of_rates_that_is_none_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "mine.csv").write_bytes(text)
    recall = {"models": ["lstm"], "lr": "tuned", "seq_lens": [25]}
    config = {"tuned_by": [str(tmp_path / "mine.csv")], "experiments": {"recall": recall}}
    with pytest.raises(
        ConfigError, match=r"^tuned_by names .*mine\.csv, which is no table of model"
    ) as e:
        check(shipped(config))
    assert "\n" not in str(e.value)


def test_tables_of_rates_that_nothing_asks_for_are_not_read(tmp_path):
    (tmp_path / "mine.csv").write_text("no table of rates")
    override = {"tuned_by": [str(tmp_path / "mine.csv")]}
    assert check(shipped("workflow/presets/smoke.yaml", override)).rates == {}


@pytest.mark.parametrize("preset", [None, *PRESETS], ids=lambda p: p.stem if p else "config.yaml")
def test_every_cell_that_ships_has_its_rate(preset):
    plan = check(shipped(*[preset] if preset else []), local=False)
    for experiment in plan.names("training"):
        for cell in plan.cells(experiment):
            assert 0 < plan.settings(experiment, **cell)["lr"] < 1


def test_the_cells_of_a_matched_model_depend_on_the_one_that_it_matches():
    plan = check(shipped())
    options = plan.model("recall", "transformer_matched")
    assert options["match_parameters_to"] == {"architecture": "lstm"}
    assert plan.code("recall", "transformer_matched") != plan.code("recall", "transformer")


def test_timing_cells_depend_on_the_reference_that_they_time_too():
    plan, other = check(shipped()), {"experiments": {"timing": {"relative_to": "transformer"}}}
    assert plan.reference("timing") == {"entry": {"architecture": "lstm"}, "name": "lstm"}
    changed = check(shipped(other))
    assert changed.reference("decode")["name"] == "transformer"
    assert plan.code("timing", "transformer") != changed.code("timing", "transformer")


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

    parts = [schema, *(schema["$defs"][kind] for kind in ("timing", "training"))]
    assert [path for part in parts for path in lacking(part, part["description"])] == []


@pytest.mark.parametrize(
    ("arguments", "override", "sentence"),
    [
        (
            ["--dry-run"],
            {"experiments": {"recall": {"lr": 0}}},
            "experiments.recall.lr is 0; it must be greater than 0",
        ),
        (
            ["--forceall"],
            {"experiments": {"timing": {"models": ["lsmt"]}}},
            "experiments.timing.models names lsmt, which models: does not define; did you mean lstm?",
        ),
        (
            ["--dry-run"],
            {"experiments": {"recall": {"lr": "tuned", "seq_lens": [7]}}},
            "experiments.recall.lr is tuned, and none of the tables tuned_by has a rate for",
        ),
    ],
    ids=["dry run of a wrong value", "real run of a wrong model", "a rate that is not there"],
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
    # Which cells need a rate is known to Snakemake alone, which adds where it asked.
    assert "Traceback" not in output or "is tuned" in sentence
    assert project.results() == before
