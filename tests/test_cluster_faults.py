"""Runs on a real Slurm that meet faults: of models, nodes, the controller, Snakemake, and whoever calls it.

A file of its own beside test_cluster.py, so that `make test` can run the two at the same time, each on a
cluster of its own.
"""

import os
import signal
import subprocess

import pytest

from tests.cluster.project import ALONE, FAULTS, OnSlurm, intact
from tests.cluster.slurm import lacking, wait
from tests.conftest import SMOKE

pytest_plugins = ["tests.cluster.plugin"]
pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())


def test_a_broken_model_takes_no_other_with_it(slurm, projects):
    """With the groups of the profile: of two models whose cells wait together, one fails each time."""
    project = OnSlurm.of(slurm, projects / "broken", retries=1)
    models = {"broken": {"architecture": f"{FAULTS}:Broken"}}
    recall = {"models": ["broken", "lstm"], "seq_lens": [4], "seeds": [0, 1], "steps": 5}
    paths = [f"results/recall/model~{m}/seq_len~4/seed~{s}.parquet" for m in models for s in (0, 1)]
    config = {"models": models, "experiments": {"recall": recall}}
    output = project.finish(project.start("recall", config=config), expect=1)
    rows = project.shards("recall")
    assert rows[["model", "seed"]].to_numpy().tolist() == [["lstm", 0], ["lstm", 1]]
    summary = output[output.index("2 cells are not done") :]
    assert all(path in summary for path in paths)
    assert "this model is broken" in summary
    assert sorted(job["state"] for job in project.jobs()) == ["COMPLETED", "FAILED", "FAILED"]


@pytest.fixture(scope="module")
def storm(slurm, projects):
    """Runs with a cell for each fault, each a job of its own, and the faults.

    In the first, one training needs more memory than it asked for, and one more than any attempt
    gets. In the second, the controller is killed and started again while jobs run; then the node of
    the timing cell dies, and one training hangs beyond the minute that it asked for. Two runs, as a
    job that is submitted while the controller is away may be refused or forgotten, and its cell is
    then an attempt further than the tests expect.
    """
    groups = {"timing_cell": "each-{model}-{seed}", "training_cell": "each-{model}-{seed}"}
    project = OnSlurm.of(slurm, projects / "storm", groups=groups)
    project.edit("workflow/costs.yaml", "minutes: [3, 0, 0]", "minutes: [0.5, 25, 0]")
    project.edit("workflow/costs.yaml", "[0, 65, 90]", "[0, 0, 0]")

    def fault(name, **options):
        return {"architecture": f"{FAULTS}:{name}"} | options

    models = {
        "on_dying_node": fault("Late", began=str(project / "on_dying_node")),
        "over_time": fault("Late", began=str(project / "over_time")),
        "patient": fault("Late", began=str(project / "patient"), seconds=45),
        "growing": fault("Large", megabytes=1000),
        "too_large": fault("Large", megabytes=50_000),
    }
    timing = {"models": ["on_dying_node"], "relative_to": "on_dying_node", "seeds": [0]}
    config = {
        "models": models,
        "experiments": {
            "timing": timing | {"seq_lens": [50], "time_limit_s": 900},
            "recall": {
                "models": ["patient", "over_time", "growing", "too_large"],
                "seq_lens": [100],
                "seq_lens_of": {"over_time": [4]},
                "seeds": [0],
                "steps": 5,
            },
        },
    }

    def trainings(*models, seq_len=100):
        return [f"results/recall/model~{m}/seq_len~{seq_len}/seed~0.parquet" for m in models]

    project.finish(project.start(*trainings("growing", "too_large"), config=config))
    shards = [*trainings("patient"), *trainings("over_time", seq_len=4)]
    shards.append("results/timing/model~on_dying_node/seq_len~50/seed~0.parquet")
    process = project.start(*shards, config=config)
    for name in ("on_dying_node", "patient"):
        wait((project / name).exists, 300, f"start of {name} ({project / 'output.txt'})")
    slurm.restart_controller(crash=True)
    (job,) = [job for job in project.jobs() if "-on_dying_node-" in job["comment"]]
    slurm.kill_node(job["node"])
    wait(lambda: "NODE_FAIL" in project.states("on_dying_node"), 120, "end of the job")
    slurm.revive_node(job["node"])
    project.finish(process)
    return project


def test_a_run_survives_the_controller(storm):
    assert storm.states("patient") == ["COMPLETED"]


def test_a_cell_whose_node_dies_is_measured_elsewhere_or_later(storm):
    assert storm.states("on_dying_node") == ["NODE_FAIL", "COMPLETED"]
    (row,) = storm.shards("timing").to_dict("records")
    assert row["status"] == "ok"
    assert int(row["cluster_job"]) == max(
        int(job["id"]) for job in storm.jobs() if "-on_d" in job["comment"]
    )


def outcome(project, model):
    rows = project.shards("recall").set_index("model")
    return rows.loc[model, "status"], rows.loc[model, "error"]


def limits(project, model, key):
    return [job[key] for job in project.jobs() if f"-{model}-" in job["comment"]]


def test_a_cell_over_its_time_is_tried_again_with_more(storm):
    assert storm.states("over_time") == ["TIMEOUT", "COMPLETED"]
    assert limits(storm, "over_time", "limit") == ["1:00", "2:00"]
    assert outcome(storm, "over_time")[0] == "ok"


def test_a_cell_over_its_memory_is_tried_again_with_more(storm):
    assert storm.states("growing") == ["FAILED", "COMPLETED"]
    assert limits(storm, "growing", "memory") == ["1470M", "2940M"]
    status, error = outcome(storm, "growing")
    assert status == "ok", error


def test_a_cell_that_no_attempt_has_the_memory_for_becomes_a_row(storm):
    assert storm.states("too_large") == ["FAILED", "FAILED", "COMPLETED"]
    status, error = outcome(storm, "too_large")
    assert status == "out of memory"
    assert "can't allocate memory" in error
    log = storm / "results/logs/recall/model~too_large/seq_len~100/seed~0.log"
    assert log.exists()


def test_faults_leave_nothing_half_written_or_doubled(storm):
    intact(storm)
    assert len(storm.shards("recall")) == 4


def test_a_killed_run_goes_on_with_nothing_done_again_or_twice(slurm, projects):
    """SIGKILL when one job is done and one runs; then a dry run, Snakemake itself, the same command."""
    project = OnSlurm.of(
        slurm, projects / "killed", groups={"training_cell": "each-{model}-{seed}"}
    )
    late = {"architecture": f"{FAULTS}:Late", "began": str(project / "hanging")}
    recall = {"models": ["lstm", "late"], "seq_lens": [4], "seeds": [0], "steps": 5}
    config = {"models": {"late": late}, "experiments": {"recall": recall}}
    first, second = [
        f"results/recall/model~{model}/seq_len~4/seed~0.parquet" for model in recall["models"]
    ]
    process = project.start(first, second, config=config)
    wait(lambda: project.states("lstm") == ["COMPLETED"], 120, "the first job")
    wait((project / "hanging").exists, 120, "the second job")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = (project / first).stat().st_mtime_ns
    project.finish(project.start(first, second, config=config, flags=["-n"]))
    flags = ("--profile", "profiles/slurm", "--workflow-profile", "profiles/site")
    call = ["snakemake", first, second, *flags, "--configfile", SMOKE, "override.yaml"]
    itself = subprocess.run(call, cwd=project.path, env=project.env, capture_output=True, text=True)
    assert itself.returncode == 1
    assert "left jobs in Slurm's queue (1); profiles/slurm/run cancels them" in itself.stderr
    assert project.states("late") == ["RUNNING"]
    output = project.finish(project.start(first, second, config=config))
    assert output.count("Cancelled jobs that a killed run had left in the queue: 1.") == 1
    assert (project / first).stat().st_mtime_ns == before
    assert project.states("lstm") == ["COMPLETED"]
    assert project.states("late") == ["CANCELLED", "COMPLETED"]
    intact(project)


def test_a_run_that_goes_on_is_not_disturbed_by_a_second_one(slurm, projects):
    """The first is Snakemake with the profile alone: the default partition, no file of one's own."""
    project = OnSlurm.of(slurm, projects / "twice")
    late = {"architecture": f"{FAULTS}:Late", "began": str(project / "began"), "seconds": 15}
    recall = {"models": ["late"], "seq_lens": [4], "seeds": [0], "steps": 5}
    config = {"models": {"late": late}, "experiments": {"recall": recall}}
    shard = "results/recall/model~late/seq_len~4/seed~0.parquet"
    process = project.start(shard, config=config, call=ALONE)
    wait((project / "began").exists, 120, "the job")
    second = project.start(shard, config=config)
    assert second.wait(60) == 1
    assert "A run is going on" in (project / "output.txt").read_text()
    project.finish(process)
    assert [job["state"] for job in project.jobs()] == ["COMPLETED"]
