"""The line that `make run` shows: what runs, how many cells are done, how long it takes."""

import io
import logging
import os
import pty
import subprocess
import sys
import time

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from tests.conftest import BIN, ROOT, SMOKE

sys.path.append(str(ROOT / "workflow/logger"))
import snakemake_logger_plugin_cells as cells

TOY = """
rule all:
    input: expand("timing/model~{{model}}/seq_len~{{seq_len}}/seed~0.txt", model=["a", "b"], seq_len=[1, 2])

rule timing_cell:
    output: "{{experiment}}/model~{{model}}/seq_len~{{seq_len}}/seed~{{seed}}.txt"
    threads: workflow.cores
    shell: "sleep 0.2; {command} {{output}}"
"""


@pytest.fixture
def handler(monkeypatch):
    """A handler that writes to memory, and a clock that tests set."""
    monkeypatch.setattr(cells.threading.Thread, "start", lambda thread: None)
    monkeypatch.setattr(cells.time, "monotonic", lambda: handler.now)
    handler = cells.LogHandler(None, None)
    handler.stream, handler.terminal, handler.now = io.StringIO(), False, 1000.0
    handler.setFormatter(logging.Formatter())
    return handler


def say(handler, event=None, level=logging.INFO, text="", **fields):
    record = logging.LogRecord("snakemake", level, "", 0, text, (), None)
    record.__dict__ |= fields | ({"event": event} if event else {})
    handler.emit(record)


def start(handler, *jobs, rule="timing_cell"):
    """Snakemake starts jobs: it says so, then what each is."""
    say(handler, LogEvent.JOB_STARTED, jobs=list(jobs))
    for job in jobs:
        wildcards = {"experiment": "timing", "model": "lstm", "seq_len": "100", "seed": str(job)}
        say(handler, LogEvent.JOB_INFO, jobid=job, rule_name=rule, wildcards=wildcards)


def test_what_runs_and_how_many_are_done(handler):
    say(handler, LogEvent.RUN_INFO, stats={"timing_cell": 4, "training_cell": 6, "all": 1})
    start(handler, 1)
    assert handler.line() == "0 of 10 cells done: timing lstm 100 tokens"
    handler.now += 3
    say(handler, LogEvent.JOB_FINISHED, job_id=1)
    start(handler, 2, 3)
    assert handler.line().startswith("1 of 10 cells done, about 27 s left: timing lstm")
    assert handler.line().count("timing lstm 100 tokens") == 2
    start(handler, 9, rule="time_figure")
    for job in (2, 3, 9):
        say(handler, LogEvent.JOB_FINISHED, job_id=job)
    assert len(handler.done) == 3  # a figure is no cell


def test_time_left_is_by_earlier_costs_and_then_by_the_pace(handler):
    say(handler, LogEvent.RUN_INFO, stats={"timing_cell": 2, "training_cell": 1})
    expected = {1: 60.0, 2: 60.0, 3: 1080.0}
    say(handler, text="3 cells, about 20 minutes.", expected=expected)
    assert handler.stream.getvalue() == "3 cells, about 20 minutes.\n"
    start(handler, 1)
    assert ", about 20 min left" in handler.line()
    handler.now += 60
    say(handler, LogEvent.JOB_FINISHED, job_id=1)
    assert handler.left() == pytest.approx(1140)
    handler.now += 120  # the second cell takes twice as long as it should
    start(handler, 2)
    say(handler, LogEvent.JOB_FINISHED, job_id=2)
    assert 1080 < handler.left() < 2160


def test_errors_are_shown_and_the_rest_is_not(handler):
    say(handler, text="Building DAG of jobs...")
    start(handler, 1)
    assert handler.stream.getvalue() == ""
    say(handler, LogEvent.JOB_ERROR, logging.ERROR, "Error in rule timing_cell", jobid=1)
    assert handler.stream.getvalue() == "Error in rule timing_cell\n"
    assert handler.running == {}


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "40 s"), (660, "11 min"), (6600, "1 h 50 min"), (3599, "1 h 0 min")]
)
def test_a_time_left_is_rough(seconds, text):
    assert cells.minutes(seconds) == text


def test_a_line_takes_less_than_a_percent_of_a_core(handler):
    say(handler, LogEvent.RUN_INFO, stats={"timing_cell": 10_000})
    say(handler, text="many", expected=dict.fromkeys(range(10_000), 1.0))
    start(handler, 1)
    handler.done = list(range(5000))
    began = time.process_time()
    for _ in range(20):
        handler.write(handler.line())
    assert (time.process_time() - began) / 20 < 0.01 * cells.RENEW_S


def toy(folder, command="touch"):
    (folder / "Snakefile").write_text(TOY.format(command=command))
    call = [str(BIN / "snakemake"), "--cores", "1", "--logger", "cells"]
    return call, os.environ | {"PYTHONPATH": str(ROOT / "workflow/logger"), "COLUMNS": "60"}


def test_snakemake_finds_it_and_says_little_without_a_terminal(tmp_path):
    call, environment = toy(tmp_path)
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(call, **options)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("timing/*/*/*.txt"))) == 4
    assert "rule" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3  # shorter than half a minute
    again = subprocess.run(call, **options)
    assert again.stderr.splitlines()[-1] == "Nothing to be done: every result is up to date."
    call, _ = toy(tmp_path, "nonsense")
    failed = subprocess.run([*call, "--forceall"], **options)
    assert failed.returncode == 1
    assert "nonsense" in failed.stderr and "Error in rule timing_cell" in failed.stderr


def test_on_a_terminal_the_line_is_renewed_in_place(tmp_path):
    call, environment = toy(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(call, cwd=tmp_path, env=environment, stderr=theirs, stdout=theirs)
    process.wait()
    shown = os.read(ours, 100_000).decode()
    os.close(ours), os.close(theirs)
    assert "3 of 4 cells done, about" in shown
    lines = shown.split("\r\x1b[K")
    assert sum("cells done" in line for line in lines) >= 5
    assert all(len(line) < 60 for line in lines if "cells done" in line)


LOOKS_AGAIN = """
import sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

assert JobScheduler._schedule_reevalutation
JobScheduler._schedule_reevalutation = lambda scheduler, delay: print("looks again")
main(sys.argv[1:])
"""


def test_snakemake_rests_while_a_cell_runs(project):
    """Each job would have it look at all waiting ones again, each second until the end of the run."""
    shard = "results/recall/model~lstm/seq_len~4/seed~0.parquet"
    (project / shard).unlink()
    call = [sys.executable, "-c", LOOKS_AGAIN, "--cores", "2", shard, "--configfile", SMOKE]
    done = subprocess.run(call, cwd=project.path, capture_output=True, text=True)
    assert (project / shard).is_file(), done.stderr
    assert "looks again" not in done.stdout
