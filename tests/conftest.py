"""What several tests share: a copy of the project that has finished a smoke run, and dry runs in it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from filelock import FileLock

from tests.loaded import Loaded

ROOT = Path(__file__).resolve().parents[1]
SMOKE = "workflow/presets/smoke.yaml"
BIN = Path(sys.executable).parent
JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)

# `make test` shares the files out among three processes (pytest-xdist), as some of them mostly wait;
# the longest first.
LONGEST = ("test_cluster_faults", "test_cluster", "test_failures", "test_workflow", "test_nested")
LONGEST += ("test_publish", "test_extending", "test_end_to_end", "test_elsewhere", "test_page")
LONGEST += ("test_s3",)
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:  # cells of runs on one machine take turns by a lock in this folder; these need not
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix=f"{WORKER}-", dir="/tmp")
    tempfile.tempdir = None

# As in every job of the pipeline. The second one can only be set before torch has done any work.
torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def pytest_collection_modifyitems(items):
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_unconfigure():
    if WORKER:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def merge(base, override):
    """`base` with the keys of `override`, mappings merged level by level, as Snakemake does it."""
    if not isinstance(override, dict) or not isinstance(base, dict):
        return override
    return base | {key: merge(base.get(key), value) for key, value in override.items()}


def shipped(*overrides):
    """config.yaml with overrides merged in: mappings, or paths of presets."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for override in overrides:
        if isinstance(override, str | Path):
            override = yaml.safe_load((ROOT / override).read_text())
        config = merge(config, override)
    return config


@dataclass
class Job:
    """One job of a dry run."""

    rule: str
    wildcards: dict
    outputs: list

    @classmethod
    def parse(cls, rule, body):
        """From the block that a dry run prints for it."""

        def entries(name):
            found = re.search(rf"^ +{name}: (.*)$", body, re.MULTILINE)
            return found[1].split(", ") if found else []

        wildcards = dict(entry.split("=", 1) for entry in entries("wildcards"))
        return cls(rule, wildcards, entries("output"))

    @property
    def cell(self):
        """(experiment, model, seq_len, seed) of a job that runs a cell, None of any other."""
        if "model" not in self.wildcards:
            return None
        w = self.wildcards
        return w["experiment"], w["model"], int(w["seq_len"]), int(w["seed"])


@cache
def loaded():
    """The one Snakemake of this process of pytest that is loaded."""
    return Loaded()


class Project:
    """A working copy of the repository in which Snakemake can run."""

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    @classmethod
    def copy(cls, target):
        """The files that git tracks or would track, under a new repository of their own."""
        target = Path(target)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        project = cls(target)
        project.git("init", "--quiet", "--initial-branch=main")
        project.commit("a copy")
        return project

    def clone(self, target):
        """A copy with results and Snakemake's records, times of modification included."""
        shutil.copytree(self.path, target, symlinks=True)
        return Project(target)

    def git(self, *arguments):
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(
            ["git", *identity, *arguments], cwd=self.path, check=True, capture_output=True
        )

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def snakemake(self, *arguments, config=None, expect=0, cores=2):
        """Run Snakemake with the smoke preset and `config` over it; what it printed."""
        files = [SMOKE]
        if config is not None:
            (self / "override.yaml").write_text(yaml.safe_dump(config))
            files.append("override.yaml")
        options = ["--cores", cores, "--nocolor", *arguments, "--configfile", *files]
        with tempfile.NamedTemporaryFile("r") as printed:
            status = loaded().call(options, self.path, printed.name)
            output = printed.read()
        assert status == expect, output[-6000:]
        return output

    def planned(self, *arguments, config=None, cores=2):
        """Jobs of a dry run."""
        output = self.snakemake("--dry-run", *arguments, config=config, cores=cores)
        jobs = [Job.parse(rule, body) for rule, body in JOB.findall(output)]
        assert jobs or "Nothing to be done" in output, output[-3000:]
        return jobs

    def files(self):
        """Every file of the copy but those of git and Snakemake."""
        return sorted(
            path
            for path in self.path.rglob("*")
            if path.is_file() and not {".git", ".snakemake", "__pycache__"} & set(path.parts)
        )

    def results(self):
        """Path, time of modification and content of everything under results/."""
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.files()
            if "results" in path.relative_to(self.path).parts[:1]
        }

    def edit(self, name, old, new):
        """Replace text in a file; it must be there."""
        text = (self / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (self / name).write_text(text.replace(old, new, 1))


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory):
    """A copy of the project after one real smoke run. Read it; change a clone (`project`)."""

    def make(folder):
        Project.copy(folder).snakemake()

    return Project(made_once(tmp_path_factory, "smoke", make))


def made_once(tmp_path_factory, name, make):
    """The folder that make(folder) fills: once, whichever process of the suite needs it first."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if WORKER else base  # the processes share it
    with FileLock(base / f"{name}.lock"):
        if not (base / name).exists():
            make(base / f"making_{name}")
            (base / f"making_{name}").rename(base / name)
    return base / name


@pytest.fixture
def project(smoke_run, tmp_path):
    """A finished smoke run of its own for each test."""
    clone = smoke_run.clone(tmp_path / "project")
    yield clone
    shutil.rmtree(clone.path)


@pytest.fixture(scope="session")
def made_up_run(tmp_path_factory):
    """(folder, plan) of a run of made-up shards with all of its tables. Add to it, change nothing."""
    from tests import realistic  # imports this file

    made = made_once(tmp_path_factory, "made_up", realistic.make)
    folder = tmp_path_factory.mktemp("made_up") / "results"
    shutil.copytree(made, folder)
    return folder, realistic.plan_of()


@pytest.fixture
def run_python():
    """Run code in a fresh Python process at the repository's root; what it prints."""

    def run(code, **environment):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run
