"""What runs again and what does not, by dry runs on a finished smoke run with the default profile.

Each test changes one thing in its own copy of the run and compares the jobs that Snakemake would
run with those that it should.
"""

import itertools
import json
import os
import re
import shlex
import shutil

import pandas as pd
import pytest

from tests.conftest import SMOKE, shipped
from workflow.seqbench import log
from workflow.seqbench.config import check

CONFIG = shipped(SMOKE)
PLAN = check(CONFIG)
TIMED = set(PLAN.names("timing"))
EDIT = "\nEDITED = True\n"
LEDGER = {"fairness_table"}  # reads the config, and so is made again with every change of it


def cells(jobs):
    """Cells among the jobs; none may be there twice."""
    found = [job.cell for job in jobs if job.cell]
    assert len(found) == len(set(found))
    return set(found)


def others(jobs):
    """Names of the rules among the jobs that run no cell."""
    return {job.rule for job in jobs if not job.cell}


def path_of(cell):
    """A cell's shard."""
    return "results/{}/model~{}/seq_len~{}/seed~{}.parquet".format(*cell)


@pytest.fixture(scope="session")
def of(smoke_run):
    """A function: cells of the smoke run, all or those of an experiment with these keys."""
    every = set()
    for path in (smoke_run / "results").glob("*/model~*/seq_len~*/seed~*.parquet"):
        model, seq_len, seed = (part.split("~")[1] for part in path.with_suffix("").parts[-3:])
        every.add((path.parts[-4], model, int(seq_len), int(seed)))
    names = ("experiment", "model", "seq_len", "seed")

    def select(experiment=None, **keys):
        wanted = keys | ({"experiment": experiment} if experiment else {})
        return {c for c in every if all(c[names.index(k)] == v for k, v in wanted.items())}

    for experiment in ("timing", "recall"):
        part = PLAN.experiments[experiment]
        grid = itertools.product([experiment], part["models"], part["seq_lens"], part["seeds"])
        assert select(experiment) == set(grid)
    return select


@pytest.fixture(scope="session")
def after(smoke_run, of):
    """Names of the rules that follow from a cell of each experiment: its table and what needs it."""
    some = {cell[0]: cell for cell in of()}
    follow = {
        experiment: others(smoke_run.planned("--forcerun", path_of(cell)))
        for experiment, cell in some.items()
    }
    assert {"timing_tables", "time_figure"} <= follow["timing"]
    assert {"training_tables", "memory_figure"} <= follow["recall"]
    assert not {"timing_tables", "time_figure"} & follow["recall"]
    assert not {"training_tables", "memory_figure"} & follow["timing"]
    return follow


# Nothing to do.


def test_a_second_call_has_nothing_to_do(smoke_run):
    assert smoke_run.planned() == []


@pytest.mark.parametrize("cores", [1, 64])
def test_the_number_of_cores_changes_nothing(smoke_run, cores):
    assert smoke_run.planned(cores=cores) == []


def test_touching_every_file_changes_nothing(project):
    for path in reversed(project.files()):  # results first: code becomes newer than what it made
        os.utime(path)
    assert project.planned() == []


def test_copying_every_file_anew_changes_nothing(project):
    for path in reversed(project.files()):
        fresh = path.with_name(path.name + ".fresh")
        shutil.copyfile(path, fresh)
        fresh.replace(path)
    assert project.planned() == []


def test_a_checkout_of_another_branch_and_back_changes_nothing(project):
    edited = [
        "workflow/seqbench/models/lstm.py",
        "workflow/seqbench/measuring/sampling.py",
        "workflow/scripts/training_cell.py",
        "workflow/figures.mplstyle",
        "workflow/rules/cells.smk",
        SMOKE,
        "config.yaml",
    ]
    project.git("checkout", "--quiet", "-b", "other")
    for name in edited:
        (project / name).write_text((project / name).read_text() + EDIT)
    project.commit("another branch")
    before = {name: (project / name).stat().st_mtime_ns for name in edited}
    project.git("checkout", "--quiet", "main")
    assert all((project / name).stat().st_mtime_ns != before[name] for name in edited)
    assert project.planned() == []


def test_another_order_of_the_lists_runs_no_cell(project):
    lists = {
        experiment: {
            key: PLAN.experiments[experiment][key][::-1] for key in ("models", "seq_lens", "seeds")
        }
        for experiment in ("timing", "recall")
    }
    assert cells(project.planned(config={"experiments": lists})) == set()


# What follows from an edit.


def test_plot_style_redraws_figures_only(project):
    project.edit("workflow/figures.mplstyle", "font.size: 10", "font.size: 12")
    jobs = project.planned()
    assert {"time_figure", "memory_figure"} <= others(jobs)
    made = [output for job in jobs for output in job.outputs]
    assert all(path.startswith("results/figures/") for path in made)


@pytest.mark.parametrize("override", [{"batch_size": 16}, {"lr": 0.01}], ids=["batch_size", "lr"])
def test_a_setting_of_recall_reruns_recall_only(project, after, override, of):
    jobs = project.planned(config={"experiments": {"recall": override}})
    assert cells(jobs) == of("recall")
    assert others(jobs) == after["recall"] | LEDGER


def test_a_model_with_a_value_of_its_own_is_left_alone(project, after, of):
    """Its rate is that of the finished run; the experiment's, which changes, is not for it."""
    own = {"models": {"lstm": {"training": {"lr": PLAN.experiments["recall"]["lr"]}}}}
    assert cells(project.planned(config=own)) == set()
    jobs = project.planned(config=own | {"experiments": {"recall": {"lr": 0.01}}})
    assert cells(jobs) == of("recall") - of("recall", model="lstm")
    assert others(jobs) == after["recall"] | LEDGER


def test_a_setting_of_timing_reruns_timing_only(project, after, of):
    jobs = project.planned(config={"experiments": {"timing": {"batch_size": 2}}})
    assert cells(jobs) == of("timing")
    assert others(jobs) == after["timing"] | LEDGER


@pytest.mark.parametrize("override", [{"dropout": 0.2}, {"steps": 80}], ids=["option", "steps"])
def test_an_option_of_a_model_reruns_that_model_only(project, after, of, override):
    jobs = project.planned(config={"models": {"transformer": {"training": override}}})
    assert cells(jobs) == of("recall", model="transformer")
    assert others(jobs) == after["recall"] | LEDGER


@pytest.mark.parametrize(
    ("experiment", "key", "new"), [("recall", "seeds", 7), ("timing", "seq_lens", 100)]
)
def test_a_new_seed_or_length_runs_its_cells_and_what_aggregates_them(
    project, after, experiment, key, new, of
):
    values = PLAN.experiments[experiment][key]
    assert new not in values
    jobs = project.planned(config={"experiments": {experiment: {key: [*values, new]}}})
    place = {"seq_lens": 2, "seeds": 3}[key]
    copied = of(experiment, **{key[:-1]: values[0]})
    assert cells(jobs) == {(*cell[:place], new, *cell[place + 1 :]) for cell in copied}
    assert others(jobs) == after[experiment] | LEDGER


def test_a_removed_seed_is_no_longer_in_the_tables(project, after):
    seeds = PLAN.experiments["recall"]["seeds"]
    keep = seeds[:1]
    override = {"experiments": {"recall": {"seeds": keep}}}
    jobs = project.planned(config=override)
    assert cells(jobs) == set()
    assert others(jobs) == after["recall"] | LEDGER

    tables = ["results/tables/recall.csv", "results/tables/recall_cells.parquet"]
    before = pd.read_csv(project / tables[0])
    project.snakemake(*tables, config=override)
    table = pd.read_csv(project / tables[0])
    assert (before["n"] == len(seeds)).all()
    assert (table["n"] == 1).all()
    assert pd.read_parquet(project / tables[1])["seed"].tolist() == keep * len(table)
    assert project.planned(*tables, config=override) == []


@pytest.mark.parametrize("architecture", ["lstm", "transformer"])
def test_an_edited_model_reruns_the_cells_of_its_architecture(project, after, architecture, of):
    file = project / f"workflow/seqbench/models/{architecture}.py"
    file.write_text(file.read_text() + EDIT)
    jobs = project.planned()

    # A matched model takes its size from the one that it matches, and a timing cell times its
    # reference too: such cells depend on both.
    def depends(experiment, model):
        parts = [PLAN.model(experiment, model)]
        parts += [PLAN.reference(experiment)] if experiment in TIMED else []
        return f"'architecture': '{architecture}'" in str(parts)

    expected = {cell for cell in of() if depends(*cell[:2])}
    assert set() < expected < of()
    assert cells(jobs) == expected
    assert others(jobs) == set.union(*after.values()) | LEDGER


def test_an_edited_model_that_nothing_else_is_matched_to_reruns_only_its_cells(project, of):
    file = project / "workflow/seqbench/models/transformer.py"
    file.write_text(file.read_text() + EDIT)
    assert cells(project.planned()) == {c for c in of() if c[1].startswith("transformer")}


def test_comments_docstrings_and_layout_retrain_nothing(project):
    """In every Python file of the project at once."""
    for path in project.path.glob("workflow/**/*.py"):
        text = path.read_text()
        if text.startswith('"""'):
            text = '"""Another docstring.\n\n' + text[3:]
        text = re.sub(r"^( +)return ", r"\1# a comment\n\n\1return ", text, count=1, flags=re.M)
        path.write_text(f"# A comment.\n{text}\n\n# The end.\n")
    assert project.planned() == []


@pytest.mark.parametrize(
    ("name", "timed", "trained"),
    [
        ("workflow/seqbench/measuring/sampling.py", True, False),
        ("workflow/seqbench/workloads/forward.py", True, False),
        ("workflow/seqbench/measuring/training.py", False, True),
        ("workflow/seqbench/tasks/first_token.py", False, True),
        ("workflow/seqbench/measuring/machine.py", True, True),
    ],
)
def test_edited_code_reruns_the_cells_whose_numbers_it_makes(project, name, timed, trained, of):
    (project / name).write_text((project / name).read_text() + EDIT)
    expected = {cell for cell in of() if (timed if cell[0] in TIMED else trained)}
    assert cells(project.planned()) == expected


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("workflow/seqbench/results/summaries.py", "timing_tables"),
        ("workflow/seqbench/results/statistics.py", "judge"),
        ("workflow/scripts/curves_figure.py", "memory_figure"),
        ("workflow/scripts/experiment_tables.py", "training_tables"),
    ],
)
def test_edited_aggregation_and_figures_run_no_cell(project, name, rule):
    (project / name).write_text((project / name).read_text() + EDIT)
    jobs = project.planned()
    assert cells(jobs) == set()
    assert rule in others(jobs)


# An experiment of one's own.


def test_an_experiment_is_a_few_lines_of_config(project):
    """Shards, table, cells table and figure, and its rows among the ratios, with no line of code."""
    mine = {"like": "timing", "models": ["lstm", "transformer"], "seq_lens": [50], "batch_size": 4}
    override = {"experiments": {"batch4": mine, "by_rate": {"like": "recall", "seq_lens": [4]}}}
    override["experiments"]["by_rate"] |= {"models": ["lstm"], "learning_rates": [0.01, 0.02]}
    jobs = project.planned(config=override)
    seeds = PLAN.experiments["timing"]["seeds"]
    expected = {("batch4", model, 50, seed) for model in mine["models"] for seed in seeds}
    assert {cell for cell in cells(j for j in jobs if "lr" not in j.wildcards)} == expected
    assert sum(job.wildcards.get("lr") is not None for job in jobs) == 4

    targets = ("batch4", "by_rate", "results/tables/ratios.csv")
    project.snakemake(*targets, config=override)
    tables, figures = project / "results/tables", project / "results/figures"
    assert (pd.read_parquet(tables / "batch4_cells.parquet")["batch_size"] == 4).all()
    assert len(pd.read_csv(tables / "batch4.csv")) == 2
    assert set(pd.read_csv(tables / "ratios.csv")["experiment"]) == {"timing", "batch4"}
    assert sorted(pd.read_csv(tables / "by_rate.csv")["lr"]) == [0.01, 0.02]
    for name in ("batch4", "by_rate"):
        assert (figures / f"{name}.png").stat().st_size > 5000
    assert project.planned(*targets, config=override) == []


# Shards that are not what they should be.


@pytest.mark.parametrize("which", ["one shard", "the folder of a model"])
def test_deleted_shards_are_brought_back_by_the_default_target(project, after, of, which):
    gone = {min(of("recall"))}
    (project / path_of(*gone)).unlink()
    if which == "the folder of a model":
        gone = of("recall", model="lstm")
        shutil.rmtree(project / "results/recall/model~lstm")
    jobs = project.planned()
    assert cells(jobs) == gone
    assert others(jobs) == after["recall"]


def test_a_damaged_shard_stops_the_table_with_a_sentence_whose_advice_works(project, after, of):
    cell = min(of("recall"))
    path = project / path_of(cell)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    output = project.snakemake("results/tables/recall.csv", expect=1)
    (sentence,) = {line for line in output.splitlines() if "is not as it was written" in line}
    assert f"Error: {path_of(cell)}" in sentence
    (command,) = re.findall(r"make it again: snakemake --cores 4 (.*)$", sentence)
    assert command == f"--configfile {SMOKE} --force {path_of(cell)}"
    assert "Traceback" not in output
    manifest = json.loads((project / "results/manifest.json").read_text())
    assert manifest["experiments"]["recall"]["lacking"] == [path_of(cell)]
    assert f"these only: snakemake --cores 4 {command}" in output

    output = project.snakemake("--force", path_of(cell))
    assert re.findall(r"^training_cell +(\d+)$", output, re.MULTILINE) == ["1"]
    assert "timing_cell" not in output
    assert others(project.planned()) == after["recall"]


def test_a_shard_in_the_place_of_another_stops_the_table_with_a_sentence(project, of):
    first, second = sorted(of("recall"))[:2]
    shutil.copyfile(project / path_of(second), project / path_of(first))
    output = project.snakemake("results/tables/recall.csv", expect=1)
    (sentence,) = {line for line in output.splitlines() if "holds the same cell as" in line}
    assert path_of(first) in sentence
    assert path_of(second) in sentence
    assert sentence.endswith(f"--configfile {SMOKE} --force {path_of(first)} {path_of(second)}")


# What a dry run says.


def test_commands_that_are_printed_can_be_called_as_they_stand(monkeypatch):
    """Also where a config file, a value or a path has blanks or braces."""
    monkeypatch.setenv("SEQBENCH", "")
    monkeypatch.delenv("SEQBENCH_START", raising=False)
    log.remember_call("Snakefile", ["my config.yaml"], ["experiments={recall: {lr: 0.01}}"])
    asked = ["--configfile", "my config.yaml", "--config", "experiments={recall: {lr: 0.01}}"]
    call = ["snakemake", "--cores", "4", *asked, "--force", "a b/c.parquet", "~/d", "e~f"]
    assert shlex.split(log.again("a b/c.parquet", "~/d", "e~f")) == call
    assert log.again("model~lstm/seed~0.parquet").endswith(" --force model~lstm/seed~0.parquet")
    log.remember_call("Snakefile", [], [])
    assert log.command() == "snakemake --cores 4"


def test_a_dry_run_prints_how_long_it_will_take(smoke_run, of):
    """From what such cells took in this run or the published one; what never ran is said to be a guess."""
    more = {"experiments": {"recall": {"seeds": [*PLAN.experiments["recall"]["seeds"], 9]}}}
    count = len(of("recall", seed=0))
    output = smoke_run.snakemake("--dry-run", config=more)
    assert re.search(rf"^{count} cells, about \d+ \w+ on 2 cores by .* before\.$", output, re.M)
    output = smoke_run.snakemake(
        *("--dry-run", "decode"),
        config={"experiments": {"decode": {"seeds": [0], "seq_lens": [100, 1000, 1001]}}},
    )
    assert re.search(
        r"^9 cells, about .* on 2 cores by .* before, 3 of them a guess\.$", output, re.M
    )


def test_a_run_in_a_folder_whose_names_are_those_of_experiments(smoke_run):
    jobs = smoke_run.planned("tuning", config={"pathvars": {"results": "x/tuning/y"}})
    outputs = [output for job in jobs for output in job.outputs]
    assert all(output.startswith("x/tuning/y/") for output in outputs)
    shards = [output for job in jobs if job.cell for output in job.outputs]
    assert len(shards) == len(PLAN.cells("tuning"))
    assert all(output.startswith("x/tuning/y/tuning/lr~") for output in shards)
