"""The check of a Slurm site: a sentence for each thing that a user's profile says wrongly."""

import math
import subprocess
import sys

import pytest
import yaml

from profiles.slurm import check as site_check
from tests.cluster.slurm import lacking
from tests.conftest import ROOT, SMOKE, Project, shipped
from workflow.seqbench.config import check

pytest_plugins = ["tests.cluster.plugin"]

NODES = {"cores": 8, "memory": 64000, "features": "zen3", "nodes": 10}
NODES |= {"limit": "2-00:00:00", "minutes": 2880}
SITE = {
    "partitions": {"main": [NODES], "small": [NODES | {"cores": 1}]},
    "default": "main",
    "accounts": None,
    "min_job_age": 300,
}
SHIPPED = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
LONGEST = "recall asks for 78 minutes (all cells that share a job: group-components); main has 60"


def sentences(profile, site, **experiments):
    """What is wrong, and what is not, with a user's profile, and config, over the shipped ones."""
    plan = check(shipped({"experiments": experiments}), local=False)
    said = [*site_check.check(SHIPPED | profile, SITE | site, plan)]
    return [text for fine, text in said if not fine], [text for fine, text in said if fine]


def in_partition(name, **more):
    return {"default-resources": {"slurm_partition": name} | more}


def nodes(**less):
    """A site whose partition main has other nodes."""
    return {"partitions": {"main": [NODES | less]}}


@pytest.mark.parametrize("site", [{}, {"accounts": ["lab"]}], ids=["no accounts", "accounts"])
def test_the_profile_that_is_written_is_right(site):
    profile = yaml.safe_load(site_check.draft(SITE | site))
    wrong, fine = sentences(profile, site)
    assert not wrong
    assert "partition main: 10 nodes of 8 cores and 64000 MB (zen3)" in fine[0]
    assert profile["slurm-status-command"] == ("sacct" if site else "squeue")
    assert profile["default-resources"].get("slurm_account") == ("lab" if site else None)


@pytest.mark.parametrize(
    ("profile", "site", "sentence"),
    [
        (in_partition("mian"), {}, "partition mian does not exist; there are main, small"),
        (
            in_partition("main") | {"set-resources": {"timing_cell": {"slurm_partition": "gpu"}}},
            {},
            "partition gpu does not exist",
        ),
        (in_partition("main,mian"), {}, "partition mian does not exist; there are main, small"),
        ({}, nodes(memory=1500), "timing asks for 1620 MB; main has 1500"),
        ({}, nodes(minutes=60), LONGEST),
        (
            in_partition("main", slurm_account="other"),
            {"accounts": ["lab", "course"]},
            "account other; you have lab, course",
        ),
        ({"slurm-status-command": "sacct"}, {}, "finished jobs would never be noticed: set squeue"),
        ({}, {"min_job_age": 60}, "squeue forgets finished jobs after 60 s"),
        (
            {},
            {"min_job_age": 179},
            "squeue forgets finished jobs after 179 s",
        ),  # it may ask each 180 s
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(profile, site, sentence):
    (wrong,), _ = sentences(profile, site)
    assert sentence in wrong


def test_cells_that_need_more_than_nodes_have_are_named_and_those_on_demand_hurt_nobody():
    """The shipped config has one-core nodes for all but what is made on demand."""
    wrong, fine = sentences(in_partition("small"), {})
    assert not wrong
    assert "timing_threads2, made on demand only, needs nodes of 2 cores" in fine
    wrong, _ = sentences(in_partition("small"), {}, recall={"threads": 2})
    assert "recall asks for 2 cores; small has 1" in wrong
    wrong, fine = sentences(in_partition("small,main"), {}, recall={"threads": 2})
    assert not wrong
    assert not any("on demand" in text for text in fine)


def test_a_request_is_that_of_the_profile_that_jobs_get():
    """Fewer cells to a job, a time of the user's own, or a partition for one rule."""
    for profile in (
        {"group-components": {"training-{experiment}-{model}-{seq_len}": 2}},
        {"set-resources": {"training_cell": {"runtime": 10}}},
    ):
        assert sentences(profile, nodes(minutes=65)) == sentences(profile, nodes())
    elsewhere = {"set-resources": {"training_cell": {"slurm_partition": "long"}}}
    site = {"partitions": {"main": [NODES | {"minutes": 65}], "long": [NODES]}}
    assert sentences(elsewhere, site)[0] == []
    assert "main has 65" in sentences({}, site)[0][0]


def test_times_are_those_of_sinfo():
    printed = {"30:00": 30, "2:00:00": 120, "1-12:00:00": 2160, "infinite": math.inf}
    assert {text: site_check.minutes(text) for text in printed} == printed


def test_what_matters_but_is_not_wrong_is_said():
    mixed = {"partitions": {"main": [NODES, NODES | {"features": "zen4"}]}}
    assert "set default-resources: constraint" in sentences({}, mixed)[1][1]
    assert sentences(in_partition("main", constraint="zen4"), mixed)[1][1].startswith("this site")
    accounts = sentences({}, {"accounts": ["lab", "course"]})[1]
    assert "no account is set, so Slurm takes your default; you have lab, course" in accounts
    short = sentences({}, {"accounts": ["lab"], "min_job_age": 60})[1]
    assert any("sacct is asked instead" in text for text in short)


@pytest.mark.parametrize(
    ("kept", "accounts"),
    [
        ("accounting_storage/slurmdbd", ["course", "lab"]),
        ("accounting_storage/none", None),
        ("(null)", None),
    ],
)
def test_accounts_are_those_of_the_database(tmp_path, monkeypatch, kept, accounts):
    """As sacctmgr prints them, the default first; the test cluster has no database."""
    programs = {
        "sinfo": "echo 'long|8|64000|1-0|(null)|4'; echo 'main*|8|64000|2:00:00|a,b|10'",
        "scontrol": f"echo 'AccountingStorageType = {kept}'; echo 'MinJobAge = 120 sec'",
        "sacctmgr": 'if [ "$4" = user ]; then echo course; else echo lab; echo course; fi',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    site = site_check.look()
    assert site["accounts"] == accounts
    assert (site["default"], site["min_job_age"]) == ("main", 120)
    assert site["partitions"]["long"][0]["features"] == "no features"
    assert [site["partitions"][name][0]["minutes"] for name in ("long", "main")] == [1440, 120]


def called(project, env, *flags):
    done = subprocess.run(
        [sys.executable, "profiles/slurm/check.py", *flags],
        cwd=project.path,
        env=env,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_where_there_is_no_slurm_it_says_so(tmp_path):
    code, said = called(Project.copy(tmp_path / "project"), {"PATH": str(tmp_path)})
    assert code == 1
    assert said == "No sinfo here: this must run where jobs are submitted, on a login node.\n"


@pytest.mark.skipif(bool(lacking()), reason=lacking())
def test_on_a_cluster_it_writes_a_profile_and_finds_it_right(slurm, tmp_path):
    """It is the user's own: git does not see it, so that it marks no result as made with changes."""
    project = Project.copy(tmp_path / "project")
    smoke = ("-n", "recall", "--config", "base_seed=1", "--configfile", SMOKE)
    code, said = called(project, slurm.env, *smoke)
    assert code == 0, said
    assert "partition main: 2 nodes of 2 cores and 8000 MB" in said
    assert "a job with a node of its own: sbatch: Job" in said
    assert (project / "profiles/site/config.yaml").exists()
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=project.path, capture_output=True).stdout == b""
    code, said = called(project, slurm.env, "--configfile", "workflow/presets/full.yaml")
    assert code == 1
    assert LONGEST.replace("78", "156").replace("60", "120") in said
    (project / "wrong.yaml").write_text("experiments: {timing_threads2: {threads: 0}}")
    code, said = called(project, slurm.env, "--configfile", "wrong.yaml")
    assert code == 1
    assert said == "experiments.timing_threads2.threads is 0; it must be at least 1\n"
    project.edit("profiles/site/config.yaml", "slurm_partition: main", "slurm_partition: mian")
    code, said = called(project, slurm.env)
    assert code == 1
    assert "WRONG partition mian does not exist; there are main, timing" in said
