"""The fixtures of test modules that say  pytest_plugins = ["tests.cluster.plugin"]."""

import pytest

from tests.cluster.slurm import Cluster, lacking


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A cluster of two nodes for all tests of a process; one that breaks something mends it."""
    if lacking():
        pytest.skip(lacking())
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """A folder for the copies of the project that a module's runs are made in."""
    return tmp_path_factory.mktemp("on_slurm")
