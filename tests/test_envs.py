"""The conda files, the lock of the two commands, and what the project asks for agree."""

import re

import pytest
import yaml

from tests.conftest import ROOT

ENVS = sorted((ROOT / "envs").glob("*.yaml"))


def normal(name):
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(lines):
    """{name: version or None} of lines like `name==version`."""
    lines = (line.split("#")[0].strip() for line in lines)
    parts = (line.partition("==") for line in lines if line)
    return {normal(name): version or None for name, _, version in parts}


LOCK = requirements((ROOT / "envs/requirements.lock").read_text().splitlines())


def test_every_version_in_the_lock_is_exact():
    assert LOCK
    assert [name for name, version in LOCK.items() if not version] == []


def test_what_the_project_asks_for_is_locked():
    wanted = requirements((ROOT / "envs/requirements.in").read_text().splitlines())
    assert set(wanted) - set(LOCK) == set()
    assert {n: v for n, v in wanted.items() if v} == {n: LOCK[n] for n, v in wanted.items() if v}


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_conda_files_pin_what_the_lock_pins(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    (packages,) = (part["pip"] for part in dependencies if isinstance(part, dict))
    pins = requirements(packages)
    assert pins
    assert pins == {name: LOCK.get(name) for name in pins}


def test_every_rule_with_a_script_has_a_conda_file():
    named = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text()
        rules = re.split(r"^rule ", text, flags=re.MULTILINE)[1:]
        for rule in rules:
            if "script:" in rule:
                (env,) = re.findall(r'conda:\s+"\.\./\.\./envs/(\w+\.yaml)"', rule)
                named.add(env)
    assert named == {path.name for path in ENVS}
