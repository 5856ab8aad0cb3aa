"""The cluster that other tests run on: its nodes, its limits, its faults, and its end."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from tests.cluster.slurm import Cluster, lacking, processes, wait
from tests.conftest import ROOT

pytest_plugins = ["tests.cluster.plugin"]
pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())

HUNGRY = "import time; x = b'x' * 300_000_000; time.sleep(20); print(len(x))"


@pytest.fixture
def folder(tmp_path_factory):
    """A folder for a cluster of a test's own; `tmp_path` is too long for Slurm's sockets."""
    return tmp_path_factory.mktemp("own")


def hungry(cluster, memory_mb):
    """A job that takes 300 MB where it may take so much, after its end."""
    script = f'{sys.executable} -c "{HUNGRY}"'
    return cluster.finished(cluster.submit(script, f"--mem={memory_mb}"))


def running(cluster, job):
    """Wait until a job has started."""
    wait(lambda: cluster.jobs()[job].state == "RUNNING", 20, f"start of job {job}")


def commands(folder):
    """Command lines of a cluster's processes."""
    found = []
    for process in processes(folder):
        with suppress(psutil.Error):
            found.append(process.cmdline())
    return found


def test_a_job_knows_the_node_that_it_runs_on(slurm):
    assert len(slurm.nodes) == 2
    jobs = {node: slurm.submit("echo $SLURMD_NODENAME", "--nodelist", node) for node in slurm.nodes}
    for node, number in jobs.items():
        job, printed = slurm.finished(number)
        assert (job.state, job.node, printed.strip()) == ("COMPLETED", node, node)


def test_an_exclusive_job_shares_its_node_with_nobody(slurm):
    where = ("--ntasks=1", "--mem=100", "--nodelist", slurm.nodes[0])
    alone = slurm.submit("sleep 60", "--exclusive", *where)
    running(slurm, alone)
    other = slurm.submit("true", *where)
    with pytest.raises(TimeoutError):
        slurm.finished(other, seconds=3)
    assert slurm.jobs()[other].state == "PENDING"
    slurm.run("scancel", str(alone))
    assert slurm.finished(other)[0].state == "COMPLETED"


def test_a_job_over_its_memory_is_killed(slurm):
    job, printed = hungry(slurm, memory_mb=100)
    assert job.state in ("OUT_OF_MEMORY", "FAILED")
    assert "oom" in printed or "memory limit" in printed


def test_what_no_node_can_give_is_refused(slurm):
    with pytest.raises(RuntimeError, match="not available"):
        slurm.submit("true", "--mem=100G")


def test_a_killed_node_takes_its_job_along_and_no_other(slurm):
    victim, other = slurm.nodes
    lost = slurm.submit("sleep 300 & sleep 300", "--no-requeue", "--nodelist", victim)
    kept = slurm.submit("sleep 3; echo done", "--nodelist", other)
    running(slurm, lost)
    slurm.kill_node(victim)
    try:
        assert slurm.finished(lost)[0].state == "NODE_FAIL"
        assert not processes(slurm.folder, victim)
        assert slurm.finished(kept)[1] == "done\n"
    finally:
        slurm.revive_node(victim)
    assert slurm.finished(slurm.submit("true", "--nodelist", victim))[0].state == "COMPLETED"


def test_jobs_survive_the_controller(slurm):
    job = slurm.submit("sleep 2; echo done")
    running(slurm, job)
    slurm.restart_controller()
    assert slurm.finished(job)[1] == "done\n"


def test_nothing_is_left_of_a_cluster_and_others_go_on(slurm, folder):
    with Cluster(folder, nodes=1, cgroups=False) as own:
        assert hungry(own, memory_mb=100)[0].state == "FAILED"
        own.submit("setsid sleep 300 & sleep 300")
        wait(lambda: commands(own.folder).count(["sleep", "300"]) == 2, 20, "the job")
    assert not processes(own.folder)
    assert slurm.finished(slurm.submit("true"))[0].state == "COMPLETED"


def test_a_cluster_ends_with_the_process_that_started_it(folder):
    code = f"""
from tests.cluster.slurm import Cluster
with Cluster({str(folder)!r}, nodes=1) as cluster:
    cluster.submit("sleep 300")
    print("up", flush=True)
    input()
"""
    started = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout.readline() == b"up\n"
    assert processes(folder)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    wait(lambda: not processes(folder), 20, "end of the cluster")
