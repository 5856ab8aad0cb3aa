"""The pipeline on a real Slurm: the same results as at home, and faults that do it no harm.

Runs on the private cluster of tests/cluster/, through profiles/slurm and a profile such as a user has.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml

from tests.cluster.slurm import lacking, wait
from tests.conftest import BIN, SMOKE, Project

pytest_plugins = ["tests.cluster.plugin"]
pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())

FAULTS = "tests.cluster.faults"
# What a user would set for this cluster, and patience for one that is quick and on this machine.
SITE = {
    "default-resources": {"slurm_partition": "main"},
    "slurm-init-seconds-before-status-checks": 1,
    "latency-wait": 5,
}
USUAL = ["profiles/slurm/run"]
# The profile by itself, as quick as SITE makes the usual call.
ALONE = ["snakemake", "--workflow-profile", "profiles/slurm", "--latency-wait", "5"]
ALONE += ["--slurm-init-seconds-before-status-checks", "1"]
# Columns that say when, how fast and beside whom a cell ran, not what came out.
CIRCUMSTANCES = {
    "started_at",
    "load_start",
    "load_end",
    "busy_cores",
    "node",
    "cluster_job",
    "git_commit",
}


class OnSlurm(Project):
    """A working copy whose jobs go to a cluster."""

    cluster = None

    @classmethod
    def of(cls, cluster, target, **site):
        """A fresh copy with a profile of its own; `site` adds keys to it."""
        project = cls(Project.copy(target).path)
        project.cluster = cluster
        (project / "profiles/site").mkdir()
        (project / "profiles/site/config.yaml").write_text(yaml.safe_dump(SITE | site))
        return project

    @property
    def env(self):
        return self.cluster.env | {"PATH": f"{BIN}:{self.cluster.env['PATH']}"}

    def start(self, *targets, config, flags=(), call=USUAL):
        """Start a run as users do; config goes over the smoke preset."""
        (self / "override.yaml").write_text(yaml.safe_dump(config))
        with (self / "output.txt").open("a") as output:
            return subprocess.Popen(
                [*call, *targets, *flags, "--configfile", SMOKE, "override.yaml"],
                cwd=self.path,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def finish(self, process, expect=0, seconds=420):
        """Wait for a run's end; what it printed."""
        try:
            code = process.wait(seconds)
        finally:
            output = (self / "output.txt").read_text()
        assert code == expect, output[-6000:]
        return output

    def shards(self, experiment):
        """Rows of an experiment's shards, lists included."""
        paths = sorted((self / "results" / experiment).rglob("*.parquet"))
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)

    def jobs(self):
        """This copy's jobs on the cluster so far, by what they are for."""
        lines = self.cluster.run(
            "squeue", "--noheader", "--states=all", "--sort=i", "--format=%A|%T|%N|%k|%m|%l|%h|%Z"
        )
        names = ("id", "state", "node", "comment", "memory", "limit", "shared", "folder")
        rows = [dict(zip(names, line.split("|"), strict=True)) for line in lines.splitlines()]
        return [row for row in rows if row["folder"] == str(self.path)]

    def states(self, name):
        """States of the jobs for a cell or group, in order of submission."""
        return [job["state"] for job in self.jobs() if f"-{name}-" in job["comment"]]


def cells_of(frame):
    """Rows by their cell, without what differs from run to run."""
    timed = [c for c in frame if c.endswith("_s") or c in CIRCUMSTANCES]
    return frame.drop(columns=timed).set_index(["model", "seq_len", "seed"]).sort_index()


def intact(project):
    """No lock, no mark of an unfinished file, no half-written shard is left; no cell is there twice."""
    assert not [*(project / ".snakemake").glob("locks/*")]
    assert not [p for p in (project / ".snakemake/incomplete").rglob("*") if p.is_file()]
    assert not [p for p in (project / "results").rglob(".*") if p.is_file()]
    for experiment in ("timing", "recall"):
        if (project / "results" / experiment).exists():
            rows = project.shards(experiment)
            assert not rows.duplicated(["model", "seq_len", "seed"]).any()


def text_of(project, table):
    return (project / f"results/tables/{table}.csv").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("on_slurm")


@pytest.fixture(scope="module")
def run(slurm, folder):
    """The smoke preset on the cluster, as it ships."""
    project = OnSlurm.of(slurm, folder / "run")
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


def test_a_broken_model_takes_no_other_with_it(slurm, folder):
    """With the groups of the profile: of two models whose cells wait together, one fails each time."""
    project = OnSlurm.of(slurm, folder / "broken", retries=1)
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
def storm(slurm, folder):
    """Runs with a cell for each fault, each a job of its own, and the faults.

    In the first, one training needs more memory than it asked for, and one more than any attempt
    gets. In the second, the controller is killed and started again while jobs run; then the node of
    the timing cell dies, and one training hangs beyond the minute that it asked for. Two runs, as a
    job that is submitted while the controller is away may be refused or forgotten, and its cell is
    then an attempt further than the tests expect.
    """
    groups = {"timing_cell": "each-{model}-{seed}", "training_cell": "each-{model}-{seed}"}
    project = OnSlurm.of(slurm, folder / "storm", groups=groups)
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


def other(slurm, target):
    """A copy with the profile for other schedulers, as a user has it: its script names the scheduler."""
    project = OnSlurm.of(slurm, target)
    site = project / "profiles/site"
    shutil.rmtree(site)
    shutil.copytree(project / "profiles/cluster-generic", site)
    project.edit("profiles/site/scheduler", "scheduler=sge", "scheduler=slurm")
    return project


def test_the_profile_for_other_schedulers_works_with_the_commands_of_slurm(slurm, folder, run):
    project = other(slurm, folder / "other")
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


def test_cells_of_a_job_take_turns_and_ctrl_c_cancels_it(slurm, folder):
    """Two trainings in one job, by the profile for other schedulers: the second waits for the first.

    They are of two models, as each says by a file that it has begun.
    """
    project = other(slurm, folder / "turns")
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


def test_a_killed_run_goes_on_with_nothing_done_again_or_twice(slurm, folder):
    """SIGKILL when one job is done and one runs; then a dry run, Snakemake itself, the same command."""
    project = OnSlurm.of(slurm, folder / "killed", groups={"training_cell": "each-{model}-{seed}"})
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


def test_a_run_that_goes_on_is_not_disturbed_by_a_second_one(slurm, folder):
    """The first is Snakemake with the profile alone: the default partition, no file of one's own."""
    project = OnSlurm.of(slurm, folder / "twice")
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
