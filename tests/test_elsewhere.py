"""The workflow used from elsewhere: in another working directory, and as a module of another workflow."""

import json
import re
import subprocess

import pandas as pd
import pyarrow.parquet as pq
import yaml

from tests.conftest import BIN, ROOT, SMOKE, shipped
from tests.test_requests import CELLS, SUBMITTED

# Three cells of timing and two of recall, for real, from shards to a figure, or verdicts and report.
TINY = {
    "experiments": {
        "timing": {"models": ["lstm"], "seq_lens": [50], "seeds": [0, 1, 2]},
        "recall": {"models": ["lstm"], "seq_lens": [4], "seeds": [0, 1], "steps": 20},
    }
}
TARGETS = ["results/tables/timing.md", "results/figures/time.png"]
JUDGED = ["results/tables/verdicts.md", "results/report/index.html"]
MODULE = f"""
configfile: "theirs.yaml"


module seqbench:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        config["seqbench"]


use rule * from seqbench as seqbench_*


rule mine:
    default_target: True
    input:
        {TARGETS!r},
"""


def snakemake(*arguments, cwd):
    call = [str(BIN / "snakemake"), "--cores", "2", *map(str, arguments)]
    done = subprocess.run(call, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


def made(folder):
    """That the targets are there, of this run, and nothing beside them."""
    cells = pd.read_parquet(folder / "results/timing")
    assert sorted(cells["seed"]) == [0, 1, 2] and set(cells["status"]) == {"ok"}
    assert "lstm" in (folder / TARGETS[0]).read_text()
    assert (folder / TARGETS[1]).stat().st_size > 5000
    return {path.name for path in folder.iterdir()} - {".snakemake"}


def test_in_another_working_directory(tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    there, before = tmp_path / "there", sorted((ROOT / "results").iterdir())
    files = ["--configfile", ROOT / "config.yaml", ROOT / SMOKE, tmp_path / "tiny.yaml"]
    call = ["--snakefile", ROOT / "Snakefile", "--directory", there, *TARGETS, *JUDGED, *files]
    snakemake(*call, cwd=tmp_path)
    assert made(there) == {"results"}
    assert "”** inconclusive" in (there / JUDGED[0]).read_text()
    assert (there / JUDGED[1]).stat().st_size > 1e6
    assert sorted((ROOT / "results").iterdir()) == before
    assert "Nothing to be done" in snakemake(*call, cwd=tmp_path)

    # What a shard says of how it is made again holds in that folder.
    shard = there / "results/timing/model~lstm/seq_len~50/seed~1.parquet"
    command = json.loads(pq.read_schema(shard).metadata[b"provenance"])["command"].split()
    said = snakemake(*command[command.index("--snakefile") :], cwd=there)
    assert re.search(r"^timing_cell +1$", said, re.MULTILINE)


def test_as_a_module_of_another_workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE + SUBMITTED)
    config = {"seqbench": shipped(SMOKE, TINY)}
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    said = snakemake(cwd=tmp_path)
    assert made(tmp_path) == {"results", "Snakefile", "theirs.yaml"}
    assert "submitted: " + " ".join(f"seqbench_{rule}" for rule in CELLS) + "\n" in said
