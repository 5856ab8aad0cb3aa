"""The pipeline on a real Slurm: the same results as at home; other schedulers.

Runs on the private cluster of tests/cluster/, through profiles/slurm and a profile such as a user has.
"""

import json
import re
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml

from tests.cluster.project import FAULTS, OnSlurm, cells_of, intact
from tests.cluster.slurm import lacking, wait
from tests.conftest import SMOKE

pytest_plugins = ["tests.cluster.plugin"]
pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())


def text_of(project, table):
    return (project / f"results/tables/{table}.csv").read_text()


@pytest.fixture(scope="module")
def run(slurm, projects):
    """The smoke preset on the cluster, as it ships."""
    project = OnSlurm.of(slurm, projects / "run")
    project.finish(project.start(config={}), seconds=600)
    return project


def test_the_same_losses_as_locally_bit_for_bit(run, smoke_run):
    here, there = OnSlurm.shards(smoke_run, "recall"), run.shards("recall")
    assert len(there) == 12
    assert there["cluster_job"].notna().all()
    assert set(there["node"]) <= set(run.cluster.nodes)
    pd.testing.assert_frame_equal(cells_of(there), cells_of(here))


def test_the_same_tables_as_locally(run, smoke_run):
    here, there = [
        pd.read_csv(project / "results/tables/recall.csv") for project in (smoke_run, run)
    ]
    seconds = [column for column in here if column.endswith("_s")]
    pd.testing.assert_frame_equal(there.drop(columns=seconds), here.drop(columns=seconds))
    for table in ("fairness", "distance", "gradient_flow", "attention"):
        assert text_of(run, table) == text_of(smoke_run, table)
    verdicts = [
        pd.read_csv(project / "results/tables/verdicts.csv").query("~shards.str.contains('timing')")
        for project in (smoke_run, run)
    ]
    assert len(verdicts[0]) == 4
    assert set(verdicts[1].pop("reproduce").str.split().str[0]) == {"profiles/slurm/run"}
    pd.testing.assert_frame_equal(verdicts[0].drop(columns="reproduce"), verdicts[1])


def test_the_run_is_complete(run):
    assert json.loads((run / "results/manifest.json").read_text())["outcome"] == "complete"
    assert (run / "results/report/index.html").stat().st_size > 100_000
    for figure in ("time", "memory"):
        assert (run / f"results/figures/{figure}.png").stat().st_size > 5000


def test_timing_cells_have_a_node_to_themselves_one_after_the_other(run, smoke_run):
    rows = run.shards("timing")
    here = OnSlurm.shards(smoke_run, "timing")
    assert set(cells_of(rows).index) == set(cells_of(here).index) and len(rows) == 12
    assert rows["node_shared"].eq(False).all()  # None would say that Slurm was not asked
    assert not rows["flags"].map(lambda flags: "shared node" in flags).any()
    jobs = [job for job in run.jobs() if "timing_cell" in job["comment"]]
    assert [job["shared"] for job in jobs] == ["NO"] * len(
        rows[["model", "seed"]].drop_duplicates()
    )
    for _, of_job in rows.groupby("cluster_job"):
        starts = pd.to_datetime(of_job["started_at"]).sort_values()
        assert (starts.diff().dropna() > pd.Timedelta(0)).all()


def test_only_cells_are_submitted_and_short_ones_share_a_job(run):
    """Trainings of a model and length are a job, timings of a model and seed are one; the rest is none."""
    groups = [re.search(r"(training|timing)-\w+-\w+-\d+", job["comment"]) for job in run.jobs()]
    trained, timed = run.shards("recall"), run.shards("timing")
    assert sorted(group[0] for group in groups) == sorted(
        {f"training-recall-{row.model}-{row.seq_len}" for row in trained.itertuples()}
        | {f"timing-timing-{row.model}-{row.seed}" for row in timed.itertuples()}
    )
    assert len(groups) < (len(trained) + len(timed)) / 1.9
    intact(run)


def other(slurm, target):
    """A copy with the profile for other schedulers, as a user has it: its script names the scheduler."""
    project = OnSlurm.of(slurm, target)
    site = project / "profiles/site"
    shutil.rmtree(site)
    shutil.copytree(project / "profiles/cluster-generic", site)
    project.edit("profiles/site/scheduler", "scheduler=sge", "scheduler=slurm")
    return project


def test_the_profile_for_other_schedulers_works_with_the_commands_of_slurm(slurm, projects, run):
    project = other(slurm, projects / "other")
    cells = [f"recall/model~lstm/seq_len~4/seed~{seed}" for seed in (0, 1)]
    cells.append("timing/model~lstm/seq_len~50/seed~0")
    flags = ("--workflow-profile", "profiles/site", "--seconds-between-status-checks", "2")
    done = subprocess.run(
        ["snakemake", *(f"results/{c}.parquet" for c in cells), *flags, "--configfile", SMOKE],
        cwd=project.path,
        env=project.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert sorted(job["shared"] for job in project.jobs()) == ["NO", "OK"]
    here = cells_of(run.shards("recall"))
    there = cells_of(project.shards("recall"))
    pd.testing.assert_frame_equal(there, here.loc[there.index])
    assert project.shards("timing")["node_shared"].eq(False).all()


def test_cells_of_a_job_take_turns_and_ctrl_c_cancels_it(slurm, projects):
    """Two trainings in one job, by the profile for other schedulers: the second waits for the first.

    They are of two models, as each says by a file that it has begun.
    """
    project = other(slurm, projects / "turns")
    models = {
        name: {"architecture": f"{FAULTS}:Late", "began": str(project / name)} for name in "ab"
    }
    recall = {"models": ["a", "b"], "seq_lens": [4], "seeds": [0], "steps": 5}
    config = {"models": models, "experiments": {"recall": recall}}
    (project / "override.yaml").write_text(yaml.safe_dump(config))
    shards = [f"results/recall/model~{name}/seq_len~4/seed~0.parquet" for name in "ab"]
    flags = ["--workflow-profile", "profiles/site", "--groups", "training_cell=both"]
    flags += ["--group-components", "both=2", "--configfile", SMOKE, "override.yaml"]
    process = subprocess.Popen(
        ["snakemake", *shards, *flags],
        cwd=project.path,
        env=project.env,
        # Ignored where tests run in the background, and by what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait(lambda: [*project.path.glob("[ab]")], 120, "the first cell")
    time.sleep(5)
    assert len([*project.path.glob("[ab]")]) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    assert [job["state"] for job in project.jobs()] == ["CANCELLED"]
