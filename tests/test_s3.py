"""Results in a bucket, through profiles/s3 and a local server that speaks S3 (moto).

Needs what envs/s3.txt names; skipped with that reason elsewhere.
"""

import importlib.util
import os
import socket
import subprocess
import sys

import pytest
import yaml

from tests.cluster.slurm import free_ports, wait
from tests.conftest import Project

LACKING = [
    name for name in ("moto", "snakemake_storage_plugin_s3") if not importlib.util.find_spec(name)
]
REASON = "needs .venv/bin/pip install --no-deps -r envs/s3.txt"
pytestmark = pytest.mark.skipif(bool(LACKING), reason=REASON)

RECALL = {"models": ["lstm"], "seq_lens": [4], "seeds": [0, 1], "steps": 20}


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket on a server of its own."""
    import boto3

    (port,) = free_ports(1)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "moto.log").open("w") as log:
        command = [sys.executable, "-m", "moto.server", "--port", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
    try:

        def listens():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        wait(listens, 60, "the S3 server")
        bucket = boto3.resource("s3").Bucket("ours")
        bucket.create()
        yield bucket
    finally:
        server.kill()
        server.wait()


def test_a_run_leaves_its_results_in_the_bucket_alone(bucket, tmp_path):
    """And finds them there: a second call runs nothing, and a lost cell is made again alone."""
    project = Project.copy(tmp_path / "project")
    profile = yaml.safe_load((project / "profiles/s3/config.yaml").read_text())
    profile["default-storage-prefix"] = "s3://ours/run"
    (project / "profiles/site").mkdir()
    (project / "profiles/site/config.yaml").write_text(yaml.safe_dump(profile))
    flags = ("recall", "--workflow-profile", "profiles/site")
    config = {"experiments": {"recall": RECALL}}
    project.snakemake(*flags, config=config)
    keys = {item.key for item in bucket.objects.all()}
    cells = {f"run/results/recall/model~lstm/seq_len~4/seed~{seed}.parquet" for seed in (0, 1)}
    assert cells | {"run/results/tables/recall.csv", "run/results/figures/memory.png"} <= keys
    assert not [*(project / "results").glob("recall/**/*.parquet")]
    assert "Nothing to be done" in project.snakemake("--dry-run", *flags, config=config)
    lost = sorted(cells)[1]
    bucket.Object(lost).delete()
    cells = [job.cell for job in project.planned(*flags, config=config) if job.cell]
    assert cells == [("recall", "lstm", 4, 1)]
