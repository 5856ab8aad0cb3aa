"""The fixture `slurm`, for test modules that say  pytest_plugins = ["tests.cluster.plugin"]."""

import pytest

from tests.cluster.slurm import Cluster, lacking


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A cluster of two nodes for all tests; one that breaks something mends it."""
    if lacking():
        pytest.skip(lacking())
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster
