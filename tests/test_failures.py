"""What is lost, copied, damaged, killed or mixed on the way, and what a run makes of it."""

import fcntl
import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from tests import realistic
from tests.conftest import BIN, ROOT, SMOKE, Project, shipped
from workflow.seqbench.config import check
from workflow.seqbench.judging.compare import compare
from workflow.seqbench.measuring.fork_server import home
from workflow.seqbench.measuring.training import untrained
from workflow.seqbench.showing import page, tables
from workflow.why import main

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
    unrecorded.snakemake("recall")
    assert unrecorded.planned("recall") == []


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


# Runs that are killed, run twice, or have cells that fail. Their cells are of one model of one length.


GRID = {"seq_lens": [4], "seq_lens_of": {}, "seeds_of": {}}
SLOW = {  # cells of some seconds
    "models": {"slow": {"architecture": "tests.known_truth:Slow", "seconds": 0.03}},
    "experiments": {"recall": GRID | {"models": ["slow"], "seeds": [*range(4)], "steps": 40}},
}


def shards(model, seeds, experiment="recall", seq_len=4):
    return [shard((experiment, model, seq_len, seed)) for seed in seeds]


@pytest.fixture
def copy(tmp_path):
    """A copy of the project in which nothing was run."""
    return Project.copy(tmp_path / "project")


@pytest.fixture
def start(copy):
    """Start Snakemake in the copy, beside the test; the process, whose output is its stdout."""
    processes = []

    def start(*arguments, config):
        (copy / "override.yaml").write_text(yaml.safe_dump(config))
        command = [BIN / "snakemake", "--cores", "1", "--nocolor", *arguments]
        process = subprocess.Popen(
            [*command, "--configfile", SMOKE, "override.yaml"],
            cwd=copy.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
            process.wait()


def until(true, process=None):
    """Wait until something is true; it must become so while the process lives."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline and (process is None or process.poll() is None)
        time.sleep(0.05)


def made(copy, paths):
    """{path: time of modification} of those that are there."""
    return {p: (copy / p).stat().st_mtime_ns for p in paths if (copy / p).is_file()}


def training(copy, paths):
    """Those of the paths whose cell, of 40 steps, has begun to train."""
    logs = {p: p.replace("results/", "results/logs/", 1)[: -len("parquet")] + "log" for p in paths}
    begun = {
        p: (copy / log).is_file() and "/40" in (copy / log).read_text() for p, log in logs.items()
    }
    return [path for path in paths if begun[path]]


def test_a_killed_run_is_resumed_by_the_same_command(copy, start):
    """Its lock is cleared, and what its last job finished without it is kept."""
    paths = shards("slow", range(4))
    process = start(*paths, config=SLOW)
    until(lambda: made(copy, paths), process)
    until(lambda: {*training(copy, paths)} - made(copy, paths).keys(), process)
    os.kill(process.pid, signal.SIGKILL)  # and not its job
    process.wait()
    before = made(copy, paths)
    until(lambda: made(copy, paths) != before)
    kept = made(copy, paths)
    assert list(copy.path.glob(".snakemake/locks/*"))
    assert list(copy.path.glob(".snakemake/incomplete/*"))

    output = copy.snakemake(*paths, config=SLOW)
    assert output.count("The run that locked this folder was killed; its lock is cleared.") == 1
    (count,) = re.findall(r"^training_cell +(\d+)$", output, re.MULTILINE)
    assert int(count) == len(paths) - len(kept)
    assert kept.items() <= made(copy, paths).items()
    assert len(made(copy, paths)) == len(paths)


def test_a_killed_run_keeps_what_it_finished_in_the_place_of_an_older_shard(copy, start):
    """Snakemake has a record of the older one, by which the new one would have been made otherwise."""
    paths, grid = shards("slow", range(3)), SLOW["experiments"]["recall"]
    older = SLOW | {"experiments": {"recall": grid | {"steps": 2}}}
    copy.snakemake(*paths, config=older)
    before = made(copy, paths)

    def renewed():
        return {p: t for p, t in made(copy, paths).items() if t != before[p]}

    process = start(*paths, config=SLOW)
    until(lambda: {*training(copy, paths)} - renewed().keys(), process)
    count = len(renewed())
    os.kill(process.pid, signal.SIGKILL)  # and not its job
    process.wait()
    until(lambda: len(renewed()) > count)
    kept = renewed()
    assert jobs_of(copy.snakemake(*paths, config=SLOW))["training_cell"] == 3 - len(kept)
    assert kept.items() <= made(copy, paths).items()


def test_a_second_run_from_one_folder_stops_in_a_sentence(copy, start):
    """Also where its results are to be in another folder; the first one goes on."""
    grid = SLOW["experiments"]["recall"] | {"steps": 1000}
    process = start(*shards("slow", [0]), config=SLOW | {"experiments": {"recall": grid}})
    owner = copy / ".snakemake/owner"
    until(lambda: owner.is_file() and owner.read_text(), process)
    other = SLOW | {"pathvars": {"results": "other"}}
    output = copy.snakemake("recall", config=other, expect=1)
    assert "a run is going on from this folder; wait for it" in output
    assert owner.read_text().strip() == platform.node()
    assert process.poll() is None and not (copy / "other").exists()
    process.kill()


@pytest.mark.parametrize("alive", ["a run that lives", "another machine"])
def test_a_lock_that_may_be_held_is_left_alone(copy, alive):
    paths = shards("slow", [0])
    (copy / ".snakemake/locks").mkdir(parents=True)
    (copy / ".snakemake/locks/0.output.lock").write_text(f"{paths[0]}\n")
    with open(copy / ".snakemake/owner", "w") as owner:
        if alive == "a run that lives":
            fcntl.flock(owner, fcntl.LOCK_EX)
        print(platform.node() if alive == "a run that lives" else "another", file=owner, flush=True)
        assert "cannot be locked" in copy.snakemake(*paths, config=SLOW, expect=1)
    assert not made(copy, paths)
    # It is cleared by hand, by the command that docs/trust.md names.
    done = subprocess.run([BIN / "snakemake", "--unlock"], cwd=copy.path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert not list(copy.path.glob(".snakemake/locks/*"))


def test_a_config_that_is_edited_while_it_runs_has_no_effect(copy, start):
    paths = shards("slow", [0, 1])
    process = start(*paths, config=SLOW)
    until(lambda: made(copy, paths), process)
    (copy / "override.yaml").write_text(yaml.safe_dump(SLOW | {"base_seed": 9}))
    process.communicate()
    said = [json.loads(pq.read_schema(copy / p).metadata[b"provenance"]) for p in paths]
    assert [one["settings"]["base_seed"] for one in said] == [0, 0]
    assert len(copy.planned(*paths, config=SLOW | {"base_seed": 9})) == 2


def test_code_that_is_edited_while_it_runs_and_taken_back_makes_no_shard(copy, start):
    """What is there was made by the code that was asked for; the cell that began meanwhile failed."""
    grid = SLOW["experiments"]["recall"] | {"steps": 20, "seeds": [0, 1, 2]}
    config = SLOW | {"experiments": {"recall": grid}}
    paths = shards("slow", grid["seeds"])
    machine = copy / "workflow/seqbench/measuring/machine.py"
    text = machine.read_text()
    process = start(*paths, config=config)
    until(lambda: made(copy, paths), process)
    copy.edit(machine.relative_to(copy.path), '"kernel": f"', '"kernel": f"edited ')
    logs = copy / "results/logs/recall/model~slow/seq_len~4"

    def refused():
        return [log for log in logs.iterdir() if "the code was edited" in log.read_text()]

    until(lambda: refused() or len(made(copy, paths)) > 1, process)
    machine.write_text(text)
    output, _ = process.communicate()
    assert process.returncode == 1 and "Try these again, and these only" in output
    (lost,) = refused()
    there = pd.concat(pd.read_parquet(copy / path) for path in made(copy, paths))
    assert f"seed~{lost.stem.split('~')[1]}.parquet" in output and len(there) == 2
    assert not there["kernel"].str.contains("edited").any()
    plan = check(shipped(SMOKE, config))
    assert set(there["code_digest"]) == {plan.code("recall", "slow")}
    assert len(copy.planned(*paths, config=config)) == 1


def test_a_timing_cell_waits_for_the_cells_of_another_run(copy, start):
    override = {"experiments": {"timing": {"models": ["lstm"], "seeds": [0], "seq_lens": [50]}}}
    (path,) = shards("lstm", [0], "timing", 50)
    with open(home() / "turn", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_SH)  # a training cell of another run
        process = start(path, config=override)
        line = next(line for line in process.stdout if "another run" in line)
        time.sleep(1)
        assert not made(copy, [path])
    process.communicate()
    assert line == "Waiting for the cells of another run on this machine.\n"
    assert pq.read_table(copy / path, partitioning=None)["queued_s"][0].as_py() >= 1


def test_training_cells_of_two_runs_do_not_wait(run_python):
    code = "from workflow.seqbench.running import turn\nwith turn(alone=False) as s: print(s < 5)"
    with open(home() / "turn", "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_SH)
        assert run_python(code) == "True\n"


BROKEN = {
    "models": {"broken": {"architecture": "mine:Net"}},
    "experiments": {"recall": GRID | {"models": ["lstm", "broken"], "seeds": [0, 1], "steps": 3}},
}


def test_a_cell_that_fails_leaves_the_others_a_summary_and_a_way_on(copy):
    net = (
        "from tests.known_truth import Oracle\n\n\nclass Net(Oracle):\n    def forward(self, x):\n"
    )
    (copy / "mine.py").write_text(f"{net}        return x[:, :2]\n")
    output = copy.snakemake("recall", config=BROKEN, expect=1)
    done, failed = shards("lstm", [0, 1]), shards("broken", [0, 1])
    assert set(made(copy, [*done, *failed])) == set(done)
    manifest = json.loads((copy / "results/manifest.json").read_text())
    assert manifest["experiments"]["recall"]["cells"] == {"expected": 4, "done": 2, "failed": 2}
    assert manifest["outcome"] == "not complete"
    assert {"snakemake", "began", "seconds", "command"} < set(manifest)
    assert [*manifest["experiments"]["recall"]["seconds"]][:2] == ["training", "waiting"]
    (made_on,) = manifest["made on"]
    assert made_on["torch"] == torch.__version__
    assert set(manifest["experiments"]["recall"]["lacking"]) == set(failed)
    summary = output[output.index("2 cells are not done") :]
    said = r"mine:Net breaks the contract of a model: of \((\d+), 4, 32\) it makes \(\1, 2, 32\)"
    assert len(re.findall(rf"seed~0.parquet: Error: {said}", summary)) == 1
    assert "log: results/logs/recall/model~broken/seq_len~4/seed~1.log" in summary
    assert f"these only: snakemake --cores 4 --configfile {SMOKE} override.yaml" in summary
    tables = copy / "results/tables"
    assert not tables.exists() or not list(tables.iterdir())

    # What is there, on request, and marked.
    output = copy.snakemake("recall", "--config", "incomplete=True", config=BROKEN)
    assert "training_cell" not in output
    assert json.loads((copy / "results/manifest.json").read_text()) == manifest  # of what lacks
    assert "Incomplete: 2 of 4 cells.\n" in (tables / "recall.md").read_text()
    assert "incomplete: 2 of 4 cells" in (copy / "results/figures/memory.svg").read_text()
    assert pd.read_csv(tables / "recall.csv")["model"].tolist() == ["lstm"]

    # Mended: the command of the summary makes what lacks and no more; then the same command goes on.
    before = made(copy, done)
    (copy / "mine.py").write_text(f"{net}        return x * 1.0\n")
    (again,) = re.findall(r"these only: snakemake --cores 4 (.*)$", summary, re.MULTILINE)
    assert jobs_of(called(copy, again)) == {"training_cell": 2, "total": 2}
    assert set(made(copy, failed)) == set(failed)
    copy.snakemake("recall", config=BROKEN)
    assert made(copy, done) == before
    assert len(pd.read_csv(tables / "recall.csv")) == 2
    assert "Incomplete" not in (tables / "recall.md").read_text()
    manifest = json.loads((copy / "results/manifest.json").read_text())
    assert manifest["outcome"] == "complete"
    assert manifest["experiments"]["recall"]["cells"] == {"expected": 4, "done": 4, "failed": 0}
    outcomes = [call["outcome"] for call in manifest["calls"]]
    assert outcomes == ["not complete", "complete", "complete"]
    assert [call["cells made"] for call in manifest["calls"]] == [2, 2, 0]
    keys = ("began", "seconds", "outcome", "cells made")
    assert manifest["calls"][-1] == {key: manifest[key] for key in keys}


def test_a_damaged_cell_is_none_that_is_done(project):
    """Neither where tables of a part are asked for, nor where an earlier run left its log."""
    path = shard(("recall", "lstm", 4, 1))
    flip(project / path)
    (project / "results/tables/recall.csv").unlink()
    output = project.snakemake("recall", expect=1)
    assert f"{path} is not as it was written" in output or "1 cell is not done" in output
    project.snakemake("recall", "--config", "incomplete=True")
    assert "Incomplete: 11 of 12 cells.\n" in (project / "results/tables/recall.md").read_text()


def called(project, arguments):
    """What Snakemake prints when it is called so, as a message to the user says."""
    done = subprocess.run(
        f"{BIN}/snakemake --cores 2 --nocolor {arguments}",
        shell=True,
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def jobs_of(output):
    """{rule: number of jobs}, as Snakemake prints it."""
    counts = re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)
    return {rule: int(count) for rule, count in counts}


def test_a_run_that_lacks_many_cells_is_tried_again_by_its_own_targets(copy):
    """Without the project's profile it stops at the first cell that fails."""
    (copy / "mine.py").write_text(
        "class Net:\n    def __init__(self, d_model, seq_len):\n        1 / 0\n"
    )
    many = {"models": ["broken"], "seeds": [*range(21)]}
    config = {"models": BROKEN["models"], "experiments": {"recall": GRID | many}}
    output = copy.snakemake("recall", "--workflow-profile", "none", config=config, expect=1)
    assert "21 cells are not done" in output
    (again,) = re.findall(r"these only: snakemake --cores 4 (.*)$", output, re.MULTILINE)
    planned = jobs_of(called(copy, f"--dry-run {again}"))
    assert planned["training_cell"] == 21 and "timing_cell" not in planned


KILLED_WHILE_IT_WRITES = """
import os, resource, signal
from pathlib import Path
import pandas as pd
from workflow.scripts import report_page
from workflow.seqbench.results import manifest
from workflow.seqbench.showing import tables

folder, large = Path(os.environ["FOLDER"]), pd.DataFrame({"a": range(9999)})
report_page.page.render = lambda *_: "x" * 99999
writers = {name: lambda path: tables.write(large, path) for name in ("a.csv", "a.md", "a.html")}
writers["index.html"] = lambda path: report_page.main([], "", [], path)
writers["manifest.json"] = lambda path: manifest.write(path, None, [], command="x" * 99999, began="2026-11-23")
for name, write in writers.items():
    (folder / name).write_text("of an earlier run")
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # kills at the first byte beyond this size
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        write(folder / name)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGXFSZ, name
    assert (folder / name).read_text() == "of an earlier run", name
    write(folder / name)
    assert (folder / name).stat().st_size > 9999, name
print(*sorted(path.name for path in folder.iterdir()))
"""


def test_what_is_written_when_it_is_killed_stays_as_it_was(tmp_path, run_python):
    """Tables, the report and the manifest; the next one leaves nothing else behind."""
    written = run_python(KILLED_WHILE_IT_WRITES, FOLDER=str(tmp_path))
    assert written.split() == ["a.csv", "a.html", "a.md", "index.html", "manifest.json"]


def test_a_statement_that_cannot_be_judged_is_told_before_the_first_job(copy):
    copy.edit("workflow/statements/claims.yaml", "measure: ratio", "measure: raito")
    (path,) = shards("slow", [0])
    output = copy.snakemake(path, config=SLOW, expect=1)
    assert "workflow/statements/claims.yaml: " in output and "did you mean ratio?" in output
    assert not made(copy, [path])


# From a number back to its samples.


def why(project, *arguments, expect=0):
    done = subprocess.run(
        [sys.executable, "-m", "workflow.why", *arguments],
        cwd=project.path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout if expect == 0 else done.stderr


def test_a_verdict_leads_to_its_samples_and_a_shard_to_the_command_that_remakes_it(project):
    said = why(project, "verdicts", "lstm_faster")
    assert "verdict: " in said and "condition: properly measured" in said
    claimed = {cell for cell in CELLS if cell[0] == "timing" and cell[1] != "transformer"}
    assert {shard(cell) for cell in claimed} <= {line for line in said.splitlines()}

    path = shard(("recall", "lstm", 4, 1))
    (block,) = [b for b in why(project, "recall", "lstm", "4").split("\n\n") if b.startswith(path)]
    row = pq.read_table(project / path, partitioning=None).to_pylist()[0]
    for key in ("cpu_model", "torch", "python", "git_commit", "code_digest", "config_digest"):
        assert f"{key} {row[key]}" in block
    assert f"60 samples: [{row['train_loss'][0]:.4f}" in block and "'base_seed': 0" in block
    checkout, command = block.splitlines()[-1].strip().split(" && ")
    assert checkout == f"git checkout {row['git_commit']}"
    assert command == f"snakemake --cores 4 --configfile {SMOKE} --force {path}"

    (project / path).unlink()
    done = subprocess.run(
        f"{BIN}/{command.replace('--cores 4', '--cores 2')}",
        shell=True,
        cwd=project.path,
        capture_output=True,
    )
    assert done.returncode == 0
    again = pq.read_table(project / path, partitioning=None).to_pylist()[0]
    assert again["train_loss"] == row["train_loss"]  # bit for bit


def test_a_published_number_leads_to_a_command_that_makes_its_cell_again(project):
    """The shards of a published run are not kept: what is told is its commit, its config and the path."""
    reference = project / "results/reference/cpu"
    shutil.rmtree(reference, ignore_errors=True)
    shutil.copytree(project / "results/tables", reference / "tables")
    (reference / "config.yaml").write_text(yaml.safe_dump(shipped(SMOKE)))
    path = shard(("recall", "lstm", 4, 1))
    said = why(project, "recall", "lstm", "4", "--run", "results/reference/cpu")
    lost = f"{reference.relative_to(project.path)}/{path.removeprefix('results/')} is not kept"
    (block,) = [b for b in said.split("\n\n") if b.startswith(lost)]
    row = pq.read_table(project / path, partitioning=None).to_pylist()[0]
    command = block.splitlines()[-1].strip()
    first = f"cp results/reference/cpu/config.yaml run.yaml && git checkout {row['git_commit']} && "
    assert command == f"{first}snakemake --cores 4 --configfile run.yaml --force {path}"

    (project / path).unlink()
    search = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(command, shell=True, cwd=project.path, env=search, check=True)
    again = pq.read_table(project / path, partitioning=None).to_pylist()[0]
    assert again["train_loss"] == row["train_loss"]


def test_a_number_leads_to_its_cells_where_shards_are_lost_or_damaged(project):
    shutil.move(project / "results/timing", project / "elsewhere")
    said = why(project, "ratios", "transformer", "200")
    assert said.count("is not kept; this is from the table of cells") == 4
    for cell in (cell for cell in CELLS if cell[:3] == ("timing", "transformer", 200)):
        assert f" && snakemake --cores 4 --configfile {SMOKE} --force {shard(cell)}\n" in said
    path = project / shard(("recall", "lstm", 4, 1))
    path.write_bytes(path.read_bytes()[:-9])
    said = why(project, "recall", "lstm", "4")
    assert said.count("its shard is not as it was written") == 1
    assert said.count(f"--force {shard(('recall', 'lstm', 4, 1))}\n") == 1
    assert "1 samples" not in said and "60 samples: [" in said  # of the table of curves
    assert "there is no results/tables/tming.parquet; tables: " in why(project, "tming", expect=1)
    assert "for --run: results/reference/cpu" in why(project, "tming", expect=1)
    assert "no row of results/tables/timing.parquet holds gru" in why(
        project, "timing", "gru", expect=1
    )
    table = project / "results/tables/recall_cells.parquet"
    flip(table)
    assert why(project, "recall", "lstm", "4", expect=1).startswith(
        f"Error: {table.relative_to(project.path)} is damaged"
    )


def flip(path):
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


LOST = {"model": "transformer", "seq_len": 8, "seed": 0}


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """(folder, plan) of a made-up smoke run in which one training did not fit into memory."""
    kept = ("task", "lr", "vocabulary", "batch_size", "d_model", "budget_steps", "parameters")
    kept += ("core_parameters", "chance_loss_nats", "bag_of_tokens_loss_nats", "busy_cores")
    usual, folder = realistic.training_row, tmp_path_factory.mktemp("small") / "results"

    def row(cell, *arguments):
        made = usual(cell, *arguments)
        if cell != LOST:
            return made
        return {key: made[key] for key in kept} | untrained("out of memory", "no memory is left")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(realistic, "training_row", row)
        plan = realistic.make(folder, SMOKE)
    tables.write(compare(folder, folder), folder / "tables/compare.parquet")
    return folder, plan


def test_a_training_that_found_no_memory_is_left_out_of_what_it_has_not(small_run):
    """It is a row of its experiment's table; the others are made, and the report too."""
    folder, plan = small_run
    keys = ["model", "seq_len"]
    table = pd.read_csv(folder / "tables/recall.csv").set_index(keys)
    assert table.loc[("transformer", 8), ["n", "out_of_memory"]].tolist() == [2, 1]
    for name in ("gradient_flow", "attention"):
        rows = pd.read_csv(folder / f"tables/{name}.csv").set_index(keys)
        assert set(rows.loc[("transformer", 8), "n"]) == {1}
        assert set(rows.loc[("transformer", 4), "n"]) == {2}
    realistic.draw(folder, ["gradient_flow", "attention", "distance", "memory"])
    text = page.render(folder.glob("tables/*.parquet"), "EXPERIMENT/CELL", plan.names())
    assert "no memory is left" in text


@pytest.mark.parametrize("which", ["smoke", "made up"])
def test_a_row_of_every_table_leads_to_its_cells(which, request, capsys):
    """Of each table the first row of each experiment, or of each part; of what was not run, a sentence."""
    smoke = which == "smoke"
    run = (
        request.getfixturevalue("smoke_run") / "results"
        if smoke
        else request.getfixturevalue("small_run")[0]
    )
    experiments = {path.stem[: -len("_cells")] for path in run.glob("tables/*_cells.parquet")}
    for path in sorted(run.glob("tables/*.parquet")):
        table = pd.read_parquet(path)
        by = next((key for key in ("experiment", "part") if key in table), None)
        texts = table.drop(columns="architecture", errors="ignore").astype(str)
        for i in (table.groupby(by, sort=False).head(1) if by else table.head(1)).index:
            values, row = texts.loc[i].tolist(), table.loc[i]
            main(path.stem, values, str(run))
            said = capsys.readouterr().out
            if "No cell of this run is behind that" in said:
                run_here = {*row["experiment"].split(" / ")} & experiments
                assert not run_here or row["n"] == 0, (path.stem, values)
            else:
                assert " samples: [" in said and " --force " in said, (path.stem, values)


# What a shard says of the code it was made from.


def test_dirty_is_what_makes_numbers(copy):
    """An edit of loaded code, and neither a comment, nor a file that lies about, nor other code."""

    def dirty():
        code = "from workflow.seqbench.measuring import training, machine\n"
        done = subprocess.run(
            [sys.executable, "-c", f"{code}print(machine.edited())"],
            cwd=copy.path,
            capture_output=True,
            text=True,
        )
        return {"True\n": True, "False\n": False}[done.stdout]

    assert not dirty()
    (copy / "notes.txt").write_text("a file that lies about")
    (copy / "workflow/seqbench/models/mine.py").write_text("a = 1\n")
    for name in ("showing/style.py", "judging/judge.py", "results/statistics.py"):
        (copy / "workflow/seqbench" / name).write_text("EDITED = True\n")
    training = copy / "workflow/seqbench/measuring/training.py"
    training.write_text(f"# A comment.\n{training.read_text()}")
    assert not dirty()
    training.write_text(f"{training.read_text()}\nEDITED = True\n")
    assert dirty()


# Machines that lack something.


@pytest.fixture
def comma(tmp_path):
    """Environment of a locale with a decimal comma, made here as few machines have it."""
    folder = tmp_path / "locales"
    folder.mkdir()
    source = ["-i", "de_DE", "-f", "UTF-8"]
    if shutil.which("localedef"):
        target = folder / "de_DE.UTF-8"
        subprocess.run(["localedef", *source, target], capture_output=True)
    if not list(folder.iterdir()):
        pytest.skip("localedef makes no de_DE here; it comes with Debian's package locales")
    environment = {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "LOCPATH": str(folder)}
    code = "from locale import *; setlocale(LC_ALL, ''); print(localeconv()['decimal_point'])"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert said.stdout == ",\n", said.stderr
    return environment


def test_a_run_without_a_home_a_display_a_second_core_and_with_a_decimal_comma(copy, comma):
    """From cells to figures, with a umask under which nobody else can read what it makes."""
    override = {
        "experiments": {
            "timing": {"models": ["lstm"], "seeds": [0, 1], "seq_lens": [50]},
            "recall": GRID | {"models": ["lstm"], "seeds": [0], "steps": 5},
        }
    }
    (copy / "override.yaml").write_text(yaml.safe_dump(override))
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    command = f"umask 077; exec {BIN}/snakemake --cores 2 timing recall --configfile {SMOKE}"
    done = subprocess.run(
        f"{command} override.yaml",
        shell=True,
        cwd=copy.path,
        env=kept | comma,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    table = pd.read_csv(copy / "results/tables/timing.csv")
    assert 0 < table["time_median_s"][0] < 1
    assert pd.read_parquet(copy / "results/timing")["cpu_cores"].tolist() == [1, 1]
    assert (copy / "results/figures/time.png").stat().st_size > 5000
    assert (copy / "results/figures/time.png").stat().st_mode & 0o777 == 0o600


def test_a_clock_that_steps_back_between_two_runs_hides_no_new_cell(project):
    """All that was made seems to be from the future; the tables hold the new seed all the same."""
    for path in (project / "results").rglob("*"):
        later = path.stat().st_mtime + 3600
        os.utime(path, (later, later))
    assert "The clock was set back; files in results are dated back" in project.snakemake(
        "--dry-run"
    )
    assert project.planned() == []
    override = {"experiments": {"recall": {"seeds": [0, 1, 2]}}}
    project.snakemake("recall", config=override)
    assert set(pd.read_csv(project / "results/tables/recall.csv")["n"]) == {3}
    assert project.planned("recall", config=override) == []


def test_durations_are_taken_from_clocks_that_never_step_back():
    for path in ROOT.glob("workflow/seqbench/measuring/*.py"):
        assert "time.time()" not in path.read_text()


def test_cells_in_512_mb_end_as_rows(copy):
    """A limit that they cannot lift: what does not fit is out of memory, and the rest is measured."""
    override = {
        "models": {"hungry": {"architecture": "tests.known_truth:Hungry", "only_at": 3000}},
        "experiments": {
            "timing": {"models": ["lstm", "hungry"], "seeds": [0], "seq_lens": [50, 3000]},
            "recall": GRID | {"models": ["lstm"], "seeds": [0], "steps": 5},
        },
    }
    (copy / "override.yaml").write_text(yaml.safe_dump(override))
    limit = (512 * 2**20,) * 2
    paths = [shard(("timing", model, n, 0)) for model in ("lstm", "hungry") for n in (50, 3000)]
    done = subprocess.run(
        [
            *(BIN / "snakemake", "--cores", "1", *paths, *shards("lstm", [0])),
            "--configfile",
            SMOKE,
            "override.yaml",
        ],
        cwd=copy.path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, limit),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    rows = [pq.read_table(copy / path, partitioning=None).to_pylist()[0] for path in paths]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "out of memory"]


# What else has such a name on these pages: columns, rules and keys.
OTHERS = {"queued_s", "git_dirty", "cpu_model", "cluster_job", "slurm_extra"}
OTHERS |= {"timing_cell", "training_cell", "training_cell_at_rate"}


@pytest.mark.parametrize(("page", "least"), [("trust", 20), ("scale", 7)])
def test_every_test_that_a_page_names_is_there(page, least):
    """Names are shortened in front or at the end by …"""
    text = (ROOT / f"docs/{page}.md").read_text()
    files = {path.name: path.read_text() for path in ROOT.glob("tests/test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", text)) <= set(files)
    names = re.findall(r"`(…?[a-z0-9]+(?:_[a-z0-9]+)+…?)`", text)
    named = [name.strip("…") for name in names if name not in OTHERS]
    tests = [name for code in files.values() for name in re.findall(r"def test_(\w+)", code)]
    assert len(named) >= least
    assert [name for name in named if not any(name in test for test in tests)] == []
