"""Cells in forked processes: as good as new ones, ended when their time or their client is gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from workflow.scripts import training_cell
from workflow.seqbench.config import check
from workflow.seqbench.log import UserError
from workflow.seqbench.measuring import fork_server, supervised
from workflow.seqbench.measuring.code import code_of
from workflow.seqbench.sources import digest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks on Linux only")


@pytest.fixture(autouse=True)
def one_server(monkeypatch):
    """All tests share a server, though pytest changes the environment for each."""
    same = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    same = same | {"A_VARIABLE": "a value", "PWD": str(ROOT)}
    monkeypatch.setattr(fork_server, "environment", lambda: same)


CHILD = """
import json, os, sys, time
from pathlib import Path
from types import SimpleNamespace

import torch


def look(path, seconds=0.0):
    threads = os.listdir("/proc/self/task")
    Path(path).write_text(json.dumps({
        "pid": os.getpid(), "parent": os.getppid(), "threads": len(threads), "cwd": os.getcwd(),
        "loaded": [name for name in sys.modules if name.startswith("workflow")],
        "variable": os.environ.get("A_VARIABLE"),
        "state": getattr(torch, "left_behind", None),
    }))
    torch.left_behind = True
    print("looked")
    time.sleep(seconds)


def fail():
    raise ValueError("what went wrong")


def die():
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the module `lab`, as working directory."""
    (tmp_path / "lab.py").write_text(CHILD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def look(place, name, seconds=30, **arguments):
    path = place / name
    assert fork_server.call("lab:look", {"path": str(path), **arguments}, place / "log", seconds)
    return json.loads(path.read_text())


def wait_for(path, seconds=20):
    end = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.05)
    return path


def gone(pid, seconds=10):
    """Whether the process ends within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_each_child_is_a_process_of_its_own_that_nothing_ran_in(place):
    first, second = look(place, "a"), look(place, "b")
    assert first["pid"] != second["pid"]
    assert first["parent"] == second["parent"], "one server"
    assert second["state"] is None, "what a child changes stays in it"
    assert first["threads"] == 1, "a thread of the server would be lost in its children"
    assert first["loaded"] == []
    assert (first["cwd"], first["variable"]) == (str(place), "a value")
    assert (place / "log").read_text() == "looked\n" * 2


def test_a_child_runs_the_code_as_it_is_then(place):
    look(place, "a")
    (place / "lab.py").write_text(CHILD.replace('"looked"', '"looked again"'))
    look(place, "b")
    assert (place / "log").read_text() == "looked\nlooked again\n"


def test_an_exception_is_in_the_log_and_false(place):
    assert not fork_server.call("lab:fail", {}, place / "log", 30)
    assert "ValueError: what went wrong" in (place / "log").read_text()


def test_a_child_is_ended_when_its_time_is_over(place):
    with pytest.raises(TimeoutError):
        fork_server.call("lab:look", {"path": str(place / "a"), "seconds": 60.0}, place / "log", 2)
    assert gone(json.loads((place / "a").read_text())["pid"])


def test_a_killed_child_is_noticed(place):
    with pytest.raises(fork_server.Killed):
        fork_server.call("lab:die", {}, place / "log", 30)


def test_a_child_does_not_outlive_its_client(place):
    code = (
        "from workflow.seqbench.measuring import fork_server\n"
        f"fork_server.call('lab:look', {{'path': {str(place / 'a')!r}, 'seconds': 60.0}}, 'log', 90)"
    )
    path = os.pathsep.join([str(place), str(ROOT)])
    client = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    pid = json.loads(wait_for(place / "a", 60).read_text())["pid"]
    client.kill()
    client.wait()
    assert gone(pid)


def test_a_dead_server_is_replaced(place):
    server = look(place, "a")["parent"]
    os.kill(server, signal.SIGKILL)
    assert gone(server)
    assert look(place, "b")["parent"] != server


def test_a_server_that_cannot_start_says_where_to_look(place, monkeypatch):
    monkeypatch.setattr(fork_server, "LIBRARIES", ())
    monkeypatch.setattr(fork_server, "__file__", str(place / "no_server.py"))
    (place / "no_server.py").write_text("raise SystemExit('no libraries')")
    with pytest.raises(RuntimeError, match="does not start"):
        fork_server.call("lab:look", {"path": str(place / "a")}, place / "log", 30)


def test_the_folder_of_sockets_is_the_users_alone(place, monkeypatch):
    monkeypatch.setattr(fork_server.tempfile, "gettempdir", lambda: "/tmp/s")
    Path("/tmp/s").mkdir(exist_ok=True)
    folder = fork_server.home()
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o755)
        with pytest.raises(PermissionError, match="alone"):
            fork_server.home()
    finally:
        folder.rmdir()
        Path("/tmp/s").rmdir()


# Cells.


def cell_of(experiment, kind, **changes):
    """What the script of a cell of the smoke preset is called with, as tiny as it goes."""
    from snakemake.utils import update_config

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "workflow/presets/smoke.yaml").read_text()))
    config["models"]["hungry"] = {"architecture": "tests.known_truth:Hungry"}
    config["experiments"][experiment] |= changes
    plan = check(config)
    cell = plan.cells(experiment)[0]
    arguments = {"experiment": experiment, **cell, "options": plan.model(experiment, **cell)}
    arguments |= {"settings": plan.settings(experiment, **cell)}
    arguments |= {"code": plan.code(experiment, **cell)}
    if kind == "timing":
        arguments["reference"] = plan.reference(experiment)
    return arguments


def run_cell(kind, arguments, place, seconds=60):
    """Watch a cell; its row, or None where it wrote no shard."""
    import pyarrow.parquet as pq

    arguments = arguments | {"shard": str(place / "shard.parquet")}
    function = f"workflow.scripts.{kind}_cell:main"
    done = supervised.watch(function, arguments, place / "log", seconds)
    return pq.read_table(place / "shard.parquet").to_pylist()[0] if done else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    return tmp_path


@pytest.mark.parametrize("experiment, kind", [("timing", "timing"), ("recall", "training")])
def test_a_cell_that_hangs_is_a_row_over_budget(folder, experiment, kind):
    row = run_cell(kind, cell_of(experiment, kind), folder, seconds=0.2)
    assert row["status"] == "over budget"
    assert "from outside" in row["error"]


def test_the_job_of_a_cell_that_hangs_ends_with_its_row(folder, monkeypatch):
    """A model that never returns from its first call, as Snakemake runs its job; only the limit is shorter."""
    cell = cell_of("recall", "training")
    cell["options"] = {"architecture": "tests.known_truth:Slow", "seconds": 1e6}
    settings = cell["settings"]
    modules, layout = code_of("training", settings, cell["options"])
    cell |= {"code": digest(*modules, layout=layout), "shard": str(folder / "s.parquet")}
    monkeypatch.setattr(supervised, "limit_s", lambda settings: 6)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("SEQBENCH_QUEUED_S", "0")
    job = SimpleNamespace(params=cell, wildcards={}, input={}, output={}, resources={})
    job.log = [folder / "log"]
    with pytest.raises(SystemExit, match="0"):
        supervised.run(training_cell.main, "workflow.scripts.training_cell", job)
    row = pd.read_parquet(folder / "s.parquet").iloc[0]
    assert (row["status"], row["error"]) == ("over budget", "ended from outside after 6 s")


def test_memory_of_a_call_in_a_fork_is_what_it_needs(folder):
    """64 MB of its own, whatever pages it shares with the server that it was forked from."""
    for _ in range(2):  # nor what an earlier child held
        cell = cell_of("timing", "timing", models=["hungry"], seq_lens=[400])
        assert run_cell("timing", cell, folder)["call_ram_bytes"] == pytest.approx(64e6, rel=0.1)


def test_a_cell_killed_for_its_memory_is_a_row(folder, monkeypatch):
    calls = []

    def call(function, arguments, path, seconds):
        calls.append(arguments)
        if len(calls) == 1:
            raise fork_server.Killed("the process was killed")
        return True

    monkeypatch.setattr(fork_server, "call", call)
    kills = iter([3, 4])
    monkeypatch.setattr(supervised, "memory_kills", lambda: next(kills))
    assert supervised.watch("f:main", {"a": 1}, folder / "log", 1)
    assert calls[1]["ended"]["status"] == "out of memory"


def test_a_cell_killed_by_somebody_is_no_row(folder, monkeypatch):
    def call(*_):
        raise fork_server.Killed("the process was killed")

    monkeypatch.setattr(fork_server, "call", call)
    monkeypatch.setattr(supervised, "memory_kills", lambda: 3)
    with pytest.raises(UserError, match="run the same command again"):
        supervised.watch("f:main", {"a": 1}, folder / "log", 1)

    # Its log says so, from which the end of the run quotes.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("SEQBENCH_QUEUED_S", "0")
    job = SimpleNamespace(params=cell_of("recall", "training"), log=[folder / "log"])
    job.wildcards = job.input = job.output = job.resources = {}
    with pytest.raises(UserError):
        supervised.run(training_cell.main, "workflow.scripts.training_cell", job)
    assert (folder / "log").read_text() == (
        "Error: the process was killed, not for its memory; run the same command again\n"
    )


def test_a_training_that_needs_too_much_memory_is_a_row(folder):
    cell = cell_of("recall", "training", ram_limit_mb=1, batch_size=4096)
    assert run_cell("training", cell, folder)["status"] == "out of memory"


def test_a_rate_beyond_what_adam_takes_is_diverged(folder):
    row = run_cell("training", cell_of("recall", "training", lr=1e38), folder)
    assert (row["status"], row["steps"]) == ("diverged", 1)


def test_a_cell_refuses_other_code_than_was_asked_for(folder):
    cell = cell_of("recall", "training") | {"code": "0123456789abcdef"}
    assert run_cell("training", cell, folder) is None
    assert "the code was edited" in (folder / "log").read_text()
    assert not (folder / "shard.parquet").exists()


SERVER = """
import socket, sys, time
from pathlib import Path
from workflow.seqbench.measuring import fork_server

def prime():
    time.sleep(0.5)
    Path("primed").touch()

def answer(connection):
    connection.sendall(b"y" if Path("primed").exists() else b"n")

fork_server.LIBRARIES, fork_server.prime, fork_server.answer = (), prime, answer
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
listener.listen()
fork_server.serve(listener, "socket")
"""


def test_no_cell_runs_beside_the_priming_process(tmp_path):
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as server:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                deadline = time.monotonic() + 60
                while connection.connect_ex(str(tmp_path / "socket")):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                assert connection.recv(1) == b"y"
        finally:
            server.kill()
