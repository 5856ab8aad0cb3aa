"""What is lost, copied, damaged, killed or mixed on the way, and what a run makes of it."""

import shutil

import pandas as pd
import pytest

from tests.conftest import SMOKE, shipped
from workflow.seqbench.config import check

PLAN = check(shipped(SMOKE))
CELLS = {
    (experiment, *(cell[key] for key in ("model", "seq_len", "seed")))
    for experiment in ("timing", "recall")
    for cell in PLAN.cells(experiment)
}
RATE = {"experiments": {"recall": {"lr": 0.01}}}


def cells(jobs):
    return {job.cell for job in jobs if job.cell}


def shard(cell):
    """Path of a cell's shard."""
    experiment, model, seq_len, seed = cell
    return PLAN.shard(experiment, {"model": model, "seq_len": seq_len, "seed": seed})


# Snakemake's records are gone, or are of other shards.


@pytest.fixture
def unrecorded(project):
    """A finished run that was copied without Snakemake's records."""
    shutil.rmtree(project / ".snakemake")
    return project


def test_shards_without_records_are_kept_and_what_comes_after_is_made_again(unrecorded):
    jobs = unrecorded.planned()
    assert cells(jobs) == set()
    assert {"timing_tables", "training_tables", "fairness_table", "judge"} <= {j.rule for j in jobs}
    unrecorded.snakemake()
    assert unrecorded.planned() == []


def test_a_changed_setting_makes_its_cells_again_also_without_records(unrecorded):
    jobs = unrecorded.planned(config=RATE)
    assert cells(jobs) == {cell for cell in CELLS if cell[0] == "recall"}
    unrecorded.snakemake("recall", config=RATE)
    assert set(pd.read_csv(unrecorded / "results/tables/recall.csv")["lr"]) == {0.01}
    assert unrecorded.planned("recall", config=RATE) == []


def test_edited_code_makes_its_cells_again_also_without_records(unrecorded):
    file = unrecorded / "workflow/seqbench/models/transformer.py"
    file.write_text(file.read_text() + "\nEDITED = True\n")
    assert cells(unrecorded.planned()) == {cell for cell in CELLS if "transformer" in cell[1]}


def test_a_removed_seed_leaves_the_tables_also_without_records(unrecorded):
    override = {"experiments": {"recall": {"seeds": [0]}}}
    unrecorded.snakemake("recall", config=override)
    assert set(pd.read_csv(unrecorded / "results/tables/recall.csv")["n"]) == {1}


def test_a_shard_of_another_run_is_made_again_before_it_is_averaged(project, tmp_path):
    """Copied to where Snakemake has a record of the one that was there."""
    cell = min(cell for cell in CELLS if cell[0] == "recall")
    other = project.clone(tmp_path / "other")
    other.snakemake(shard(cell), config=RATE)
    shutil.copy2(other / shard(cell), project / shard(cell))
    jobs = project.planned()
    assert cells(jobs) == {cell}
    assert "training_tables" in {job.rule for job in jobs}
    assert cells(project.planned("timing")) == set()  # what is not asked for is left alone
