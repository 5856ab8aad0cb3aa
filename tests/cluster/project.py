"""A copy of the project whose jobs go to a test cluster, through profiles/slurm and a profile like a user's."""

import subprocess

import pandas as pd
import yaml

from tests.conftest import BIN, SMOKE, Project

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
