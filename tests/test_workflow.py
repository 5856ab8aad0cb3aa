"""What runs again and what does not, by dry runs on a finished smoke run with the default profile.

Each test changes one thing in its own copy of the run and compares the jobs that Snakemake would
run with those that it should.
"""

import os
import shutil

import pandas as pd
import pytest

from tests.conftest import SMOKE, shipped

CONFIG = shipped(SMOKE)
CELLS = {
    (experiment, model, seq_len, seed)
    for experiment in ("timing", "recall")
    for model in CONFIG[experiment]["models"]
    for seq_len in CONFIG[experiment]["seq_lens"]
    for seed in CONFIG[experiment]["seeds"]
}


def cells(jobs):
    """Cells among the jobs; none may be there twice."""
    found = [job.cell for job in jobs if job.cell]
    assert len(found) == len(set(found))
    return set(found)


def others(jobs):
    """Names of the rules among the jobs that run no cell."""
    return {job.rule for job in jobs if not job.cell}


def of(experiment, **keys):
    """The smoke run's cells of one experiment with these keys: model=..., seq_len=..., seed=..."""
    names = ("model", "seq_len", "seed")
    return {
        cell
        for cell in CELLS
        if cell[0] == experiment
        and all(cell[1 + names.index(name)] == value for name, value in keys.items())
    }


@pytest.fixture(scope="session")
def after(smoke_run):
    """Names of the rules that follow from the cells of an experiment: its table and what needs it."""
    follow = {
        experiment: others(smoke_run.planned("--forcerun", f"results/tables/{experiment}.csv"))
        for experiment in ("timing", "recall")
    }
    assert {"timing_table", "time_figure"} <= follow["timing"]
    assert {"recall_table", "memory_figure"} <= follow["recall"]
    assert not {"timing_table", "time_figure"} & follow["recall"]
    assert not {"recall_table", "memory_figure"} & follow["timing"]
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
        "workflow/seqbench/sampling.py",
        "workflow/scripts/recall_cell.py",
        "workflow/figures.mplstyle",
        "workflow/rules/recall.smk",
        SMOKE,
        "config.yaml",
    ]
    project.git("checkout", "--quiet", "-b", "other")
    for name in edited:
        (project / name).write_text((project / name).read_text() + "\n# edited\n")
    project.commit("another branch")
    before = {name: (project / name).stat().st_mtime_ns for name in edited}
    project.git("checkout", "--quiet", "main")
    assert all((project / name).stat().st_mtime_ns != before[name] for name in edited)
    assert project.planned() == []


def test_another_order_of_the_lists_runs_no_cell(project):
    lists = {
        experiment: {key: CONFIG[experiment][key][::-1] for key in ("models", "seq_lens", "seeds")}
        for experiment in ("timing", "recall")
    }
    assert cells(project.planned(config=lists)) == set()


# What follows from an edit.


def test_plot_style_redraws_figures_only(project):
    project.edit("workflow/figures.mplstyle", "font.size: 10", "font.size: 12")
    jobs = project.planned()
    assert {"time_figure", "memory_figure"} <= others(jobs)
    made = [output for job in jobs for output in job.outputs]
    assert all(path.startswith("results/figures/") for path in made)


@pytest.mark.parametrize(
    "override",
    [{"steps": 80}, {"lr": 0.01}, {"evaluation_size": 128}, {"vocabulary": 50}],
    ids=lambda override: next(iter(override)),
)
def test_a_setting_of_recall_reruns_recall_only(project, after, override):
    jobs = project.planned(config={"recall": override})
    expected = of("recall")
    if "lr" in override:  # one model has a rate of its own, and keeps it
        expected -= of("recall", model="lstm_chrono")
    assert cells(jobs) == expected
    assert others(jobs) == after["recall"]


def test_a_setting_of_timing_reruns_timing_only(project, after):
    jobs = project.planned(config={"timing": {"batch_size": 2}})
    assert cells(jobs) == of("timing")
    assert others(jobs) == after["timing"]


def test_an_option_of_a_model_reruns_that_model_only(project, after):
    jobs = project.planned(config={"models": {"lstm_chrono": {"recall": {"lr": 0.003}}}})
    assert cells(jobs) == of("recall", model="lstm_chrono")
    assert others(jobs) == after["recall"]


@pytest.mark.parametrize(
    ("experiment", "key", "new"), [("recall", "seeds", 7), ("timing", "seq_lens", 100)]
)
def test_a_new_seed_or_length_runs_its_cells_and_what_aggregates_them(
    project, after, experiment, key, new
):
    values = CONFIG[experiment][key]
    assert new not in values
    jobs = project.planned(config={experiment: {key: [*values, new]}})
    place = {"seq_lens": 2, "seeds": 3}[key]
    copied = of(experiment, **{key[:-1]: values[0]})
    assert cells(jobs) == {(*cell[:place], new, *cell[place + 1 :]) for cell in copied}
    assert others(jobs) == after[experiment]


def test_a_removed_seed_is_no_longer_in_the_tables(project, after):
    keep = CONFIG["recall"]["seeds"][:1]
    override = {"recall": {"seeds": keep}}
    jobs = project.planned(config=override)
    assert cells(jobs) == set()
    assert others(jobs) == after["recall"]

    before = pd.read_csv(project / "results/tables/recall.csv")
    project.snakemake(config=override)
    table = pd.read_csv(project / "results/tables/recall.csv")
    assert (before["n"] == len(CONFIG["recall"]["seeds"])).all()
    assert (table["n"] == 1).all()
    assert pd.read_parquet(project / "results/tables/recall_cells.parquet")["seed"].tolist() == [
        keep[0]
    ] * len(table)
    assert project.planned(config=override) == []


@pytest.mark.parametrize("architecture", ["lstm", "transformer"])
def test_an_edited_model_reruns_the_cells_of_its_architecture(project, after, architecture):
    file = project / f"workflow/seqbench/models/{architecture}.py"
    file.write_text(file.read_text() + "\n# edited\n")
    jobs = project.planned()
    expected = {c for c in CELLS if CONFIG["models"][c[1]]["architecture"] == architecture}
    assert set() < expected < CELLS
    assert cells(jobs) == expected
    assert others(jobs) == after["timing"] | after["recall"]


@pytest.mark.parametrize(
    ("name", "experiments"),
    [
        ("workflow/seqbench/sampling.py", ["timing"]),
        ("workflow/seqbench/workloads/forward.py", ["timing"]),
        ("workflow/seqbench/recall/train.py", ["recall"]),
        ("workflow/seqbench/tasks/first_token.py", ["recall"]),
        ("workflow/seqbench/machine.py", ["timing", "recall"]),
    ],
)
def test_edited_code_reruns_the_cells_whose_numbers_it_makes(project, name, experiments):
    (project / name).write_text((project / name).read_text() + "\n# edited\n")
    assert cells(project.planned()) == {cell for e in experiments for cell in of(e)}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("workflow/seqbench/timing/table.py", "timing_table"),
        ("workflow/seqbench/recall/figure.py", "memory_figure"),
        ("workflow/seqbench/intervals.py", "recall_table"),
    ],
)
def test_edited_aggregation_and_figures_run_no_cell(project, name, rule):
    (project / name).write_text((project / name).read_text() + "\n# edited\n")
    jobs = project.planned()
    assert cells(jobs) == set()
    assert rule in others(jobs)


# Shards that are not what they should be.


def shard(project, seed):
    cell = next(c for c in sorted(of("recall")) if c[3] == seed)
    return project / "results/recall/model~{1}/seq_len~{2}/seed~{3}.parquet".format(*cell), cell


def test_a_damaged_shard_stops_the_table_with_a_sentence_whose_advice_works(project, after):
    path, cell = shard(project, seed=0)
    path.write_bytes(path.read_bytes()[:1000])
    output = project.snakemake(expect=1)
    assert f"Error: {path.relative_to(project.path)} is damaged" in output
    assert "Delete it; the next run makes it again" in output

    path.unlink()
    jobs = project.planned()
    assert cells(jobs) == {cell}
    assert others(jobs) == after["recall"]


def test_a_shard_in_the_place_of_another_stops_the_table_with_a_sentence(project):
    path, _ = shard(project, seed=0)
    other, _ = shard(project, seed=1)
    shutil.copyfile(other, path)
    output = project.snakemake(expect=1)
    assert f"Error: {other.relative_to(project.path)} holds the same cell as" in output
