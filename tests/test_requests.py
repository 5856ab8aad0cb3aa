"""What a cell asks a cluster for, and that no flag takes away what makes its times true."""

import re

import pytest

from tests.conftest import Project, shipped
from workflow.seqbench.config import check
from workflow.seqbench.measuring import supervised

# At the end of a Snakefile it prints the rules whose jobs a cluster gets.
SUBMITTED = """
import sys

submitted = [r.name for r in workflow.rules if not r.norun and r.name not in workflow._localrules]
print("submitted:", *sorted(submitted), file=sys.stderr)
"""
CELLS = ["timing_cell", "training_cell", "training_cell_at_rate"]


@pytest.fixture(scope="module")
def plan():
    return check(shipped())


def recall(plan, seq_len=100, attempt=1, what="mem_mb", model="transformer"):
    return plan.needs(what, attempt, 3, "recall", model, seq_len)


def test_every_shipped_cell_asks_for_what_a_small_node_has(plan):
    for name in plan.names():
        for cell in plan.cells(name):
            assert 500 < plan.needs("mem_mb", 1, 3, name, **cell) < 16_000
            assert 1 <= plan.needs("runtime", 1, 3, name, **cell) <= 60


def test_longer_sequences_larger_batches_and_later_attempts_ask_for_more(plan):
    for what in ("mem_mb", "runtime"):
        assert recall(plan, what=what) < recall(plan, attempt=2, what=what)
        assert recall(plan, 25, what=what) < recall(plan, 50, what=what) < recall(plan, what=what)
    assert recall(plan, attempt=3) == pytest.approx(3 * recall(plan), abs=3)
    doubled = check(shipped({"experiments": {"recall": {"batch_size": 64}}}))
    assert recall(doubled) - 1000 == pytest.approx(2 * (recall(plan) - 1000), abs=2)


def test_the_last_attempt_has_the_time_that_a_cell_is_left_to_run_and_none_has_more(plan):
    """So a slow cell of a user's own ends itself, as a row, before the cluster ends it."""
    most = supervised.limit_s(plan.settings("recall", "lstm", 25)) / 60
    minutes = [recall(plan, 25, attempt, "runtime", "lstm") for attempt in (1, 2, 3)]
    assert minutes[0] < minutes[1] < most < minutes[2] < most + 4
    assert max(recall(plan, attempt=attempt, what="runtime") for attempt in (1, 2, 3)) < most + 4
    assert plan.needs("runtime", 1, 1, "recall", "lstm", 25) == minutes[0]  # without retries


def test_a_cell_on_a_gpu_asks_for_one():
    config = shipped({"experiments": {"timing": {"device": "cuda"}}})
    plan = check(config, local=False)
    assert (plan.gpu("timing"), plan.gpu("recall")) == (1, 0)


def test_flags_do_not_take_its_node_from_a_timing_cell(tmp_path):
    project = Project.copy(tmp_path / "project")
    flags = ("--set-resources", "timing_cell:mem_mb=5000", "--default-resources", "runtime=7")
    output = project.snakemake("--dry-run", "timing", *flags, "--set-threads", "timing_cell=1")
    jobs = re.findall(r"^rule timing_cell:.*?^ +resources: (.*?)$", output, re.M | re.S)
    assert len(jobs) == 12
    assert all("mem_mb=5000" in job for job in jobs)
    assert all("slurm_extra=--exclusive" in job and "whole_node=1" in job for job in jobs)


@pytest.mark.parametrize("retries", [0, 2])
def test_a_cell_knows_how_often_it_may_still_ask_for_more(tmp_path, retries):
    """By the profile's `retries` or a flag; a last attempt has the time that the cell is left to run."""
    project = Project.copy(tmp_path / "project")
    flags = ("--executor", "slurm", "--jobs", "2", "--retries", retries)
    output = project.snakemake("--dry-run", "recall", *flags)
    assert {*re.findall(r"attempts_left=(-?\d+)", output)} == {str(retries)}


def test_cells_are_submitted_and_nothing_else(tmp_path):
    project = Project.copy(tmp_path / "project")
    with (project / "Snakefile").open("a") as file:
        file.write(SUBMITTED)
    (submitted,) = re.findall("^submitted: (.*)", project.snakemake("--list-rules"), re.M)
    assert submitted.split() == CELLS
