"""From config.yaml to shards, tables and figures: what a finished smoke run holds."""

import json
import os
import re
import signal
import subprocess
import time
import zipfile

import matplotlib.figure
import matplotlib.image
import matplotlib.text
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import BIN, ROOT, SMOKE, shipped
from workflow.scripts import call_figure, curves_figure
from workflow.seqbench.config import check
from workflow.seqbench.results.costs import FULL
from workflow.seqbench.showing.style import title_of
from workflow.seqbench.tasks import first_token

EXPERIMENTS = check(shipped(SMOKE)).experiments


def grid(experiment):
    """(model, seq_len) of an experiment of the smoke run."""
    part = EXPERIMENTS[experiment]
    return {(model, seq_len) for model in part["models"] for seq_len in part["seq_lens"]}


@pytest.mark.parametrize("experiment", ["timing", "recall"])
def test_a_shard_for_each_cell(smoke_run, experiment):
    frame = pd.read_parquet(smoke_run / "results" / experiment)
    assert len(frame) == len(grid(experiment)) * len(EXPERIMENTS[experiment]["seeds"])
    assert not frame.duplicated(["model", "seq_len", "seed"]).any()
    assert set(frame["status"]) == {"ok"}
    assert set(frame["threads"]) == {EXPERIMENTS[experiment]["threads"]}
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=smoke_run.path, capture_output=True, text=True
    ).stdout.strip()
    assert set(frame["git_commit"]) == {commit}
    for path in (smoke_run / "results" / experiment).rglob("*.parquet"):
        said = json.loads(pq.read_schema(path).metadata[b"provenance"])
        assert said["settings"]["d_model"] == EXPERIMENTS[experiment]["d_model"]


@pytest.mark.parametrize("experiment", ["timing", "recall"])
def test_a_row_for_each_model_and_length(smoke_run, experiment):
    tables = smoke_run / "results/tables"
    table = pd.read_csv(tables / f"{experiment}.csv")
    assert set(zip(table["model"], table["seq_len"], strict=True)) == grid(experiment)
    assert len(table) == len(grid(experiment))
    assert (table["n"] == len(EXPERIMENTS[experiment]["seeds"])).all()
    assert len(pd.read_parquet(tables / f"{experiment}.parquet")) == len(table)
    text = (tables / f"{experiment}.md").read_text()
    assert text.startswith("How quiet the machine was: ") == (experiment == "timing")
    assert sum(line.startswith("|") for line in text.splitlines()) == len(table) + 2


def test_the_timing_table_agrees_with_the_shards(smoke_run):
    table = pd.read_csv(smoke_run / "results/tables/timing.csv").set_index(["model", "seq_len"])
    shards = pd.read_parquet(smoke_run / "results/timing")
    for key, cells in shards.groupby(["model", "seq_len"]):
        row = table.loc[key]
        assert row["time_median_s"] == pytest.approx(cells["time_s"].median())
        assert row["tokens_per_s"] == pytest.approx(key[1] / row["time_median_s"])
        assert row["gflops_per_s"] == pytest.approx(row["flops"] / row["time_median_s"] / 1e9)
        assert row["peak_ram_bytes"] > 1e7
    parameters = table["parameters"].groupby("model").first()
    assert parameters["transformer_matched"] == pytest.approx(parameters["lstm"], rel=0.02)


def test_the_recall_table_has_its_floors(smoke_run):
    table = pd.read_csv(smoke_run / "results/tables/recall.csv")
    for row in table.itertuples():
        assert row.chance_loss_nats == pytest.approx(first_token.chance_loss(row.seq_len, 100))
        floor = first_token.bag_of_tokens_loss(row.seq_len, 100)
        assert row.bag_of_tokens_loss_nats == pytest.approx(floor)
        assert 0 <= row.solved_low <= row.solved / row.n <= row.solved_high <= 1


def test_every_figure_is_drawn(smoke_run):
    figures = sorted((smoke_run / "results/figures").glob("*.png"))
    assert {"time", "memory"} <= {path.stem for path in figures}
    for path in figures:
        pixels = matplotlib.image.imread(path)[..., :3]
        height, width, _ = pixels.shape
        assert min(height, width) > 400
        # Ink in every quarter of the figure, and colours beside black and grey.
        inked = pixels.min(axis=2) < 0.8
        for quarter in (inked[: height // 2], inked[height // 2 :]):
            assert quarter[:, : width // 2].any()
            assert quarter[:, width // 2 :].any()
        assert (np.ptp(pixels, axis=2) > 0.3).mean() > 1e-4
        assert path.with_suffix(".svg").stat().st_size > 5000


@pytest.mark.parametrize("experiment", ["timing", "recall"])
def test_figures_name_models_floors_and_conditions(smoke_run, monkeypatch, tmp_path, experiment):
    """What is written in a figure, read off while the rule's script draws it once more."""
    texts = set()

    def read(figure, path, **options):
        texts.update(text.get_text() for text in figure.findobj(matplotlib.text.Text))
        path.touch()

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", read)
    tables = smoke_run / "results/tables"
    given = [tables / f"{experiment}.parquet", tables / f"{experiment}_cells.parquet"]
    style, files = ROOT / "workflow/figures.mplstyle", (tmp_path / "a.png", tmp_path / "a.svg")
    if experiment == "timing":
        call_figure.main(*given, style, ["linear", "log"], True, *files)
    else:
        given.append(tables / "recall_curves.parquet")
        curves_figure.main(*given, style, *files)

    for model in EXPERIMENTS[experiment]["models"]:
        assert any(text.startswith(title_of(model)) for text in texts)
    (conditions,) = {text for text in texts if "torch " in text}
    for part in ("1 thread", f"n = {len(EXPERIMENTS[experiment]['seeds'])}", "median"):
        assert part in conditions
    if experiment == "recall":
        assert "chance" in texts
        assert "counts tokens, no order" in texts


def test_the_manifest_says_how_much_of_the_timing_phase_was_sampling(smoke_run):
    manifest = json.loads((smoke_run / "results/manifest.json").read_text())
    cells = pd.read_parquet(smoke_run / "results/timing").sort_values("started_at")
    started = pd.to_datetime(cells["started_at"])
    seconds = (started.iloc[-1] - started.iloc[0]).total_seconds()
    sampled = (cells["warmup_s"] + cells["sampling_s"]).sum()
    phase = manifest["timing"]
    assert phase["seconds"] == seconds
    assert 0.5 * sampled < phase["warm-up and samples"] < sampled  # all but the last cell's
    assert phase["share"] == pytest.approx(phase["warm-up and samples"] / seconds, abs=1e-3)


def test_a_run_ends_with_where_to_look_and_what_the_full_run_adds(project):
    """Here the shipped configs are the smoke run, and one seed more."""
    (project / "config.yaml").write_text(yaml.safe_dump(shipped(SMOKE), sort_keys=False))
    full = {"experiments": {"recall": {"seeds": [0, 1, 2]}}}
    (project / FULL).write_text(yaml.safe_dump(full))
    before = (project / "results/manifest.json").read_text()
    (project / "results/figures/time.png").unlink()
    output = project.snakemake()
    done = (
        "Done. Open results/report/index.html in a browser; figures/ and tables/ are beside it.\n"
    )
    added = rf"The full run adds 6 cells, about \d+ \w+ on 2 cores: make run CONFIG={FULL}\n"
    assert re.search(re.escape(done) + added, output)
    # It made no cell: the manifest is still that of the run that did.
    assert (project / "results/manifest.json").read_text() == before
    (project / "results/figures/time.png").unlink()
    assert "Done. Open" not in project.snakemake("results/figures/time.png")
    assert (project / "results/manifest.json").read_text() == before  # nor did this call, of a part


def test_snakemakes_report_has_tables_figures_and_labels(smoke_run, tmp_path):
    smoke_run.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = [name.rsplit("/")[-1] for name in archive.namelist()]
        (index,) = (name for name in archive.namelist() if name.endswith("/report.html"))
        page = archive.read(index).decode()
    for name in ("verdicts", "claims", "distance", "timing", "recall", "fairness", "index"):
        assert f"{name}.html" in names
    assert {"time.png", "memory.png", "audit.png"} <= set(names)
    for label in ("what each model is given", "training curves", "every number, with selectors"):
        assert label in page


def test_models_of_known_truth_come_out_as_known(project):
    """Through the whole pipeline: an oracle, chance, a floor, and a model beside its twin."""
    known = "tests.known_truth"
    override = {
        "models": {
            "oracle": {"architecture": f"{known}:Oracle"},
            "constant": {"architecture": f"{known}:Constant"},
            "bag": {"architecture": f"{known}:BagOfTokens", "readout": "mean"},
            "twin": {"architecture": "lstm"},
        },
        "experiments": {
            "recall": {
                "models": ["oracle", "constant", "bag"],
                "seq_lens": [8],
                "steps": 400,
                "vocabulary": 20,
                "evaluation_size": 512,
            },
            "timing": {"models": ["lstm", "twin"], "seeds": [0, 1, 2], "max_seconds": 0.5},
        },
    }
    project.snakemake("timing", "recall", "results/tables/ratios.csv", config=override)
    tables = project / "results/tables"
    recall = pd.read_csv(tables / "recall.csv").set_index("model")
    assert recall.loc["oracle", "solved"] == 2
    assert recall.loc["oracle", "final_accuracy_min"] >= 0.99
    chance, floor = recall.loc["bag", ["chance_loss_nats", "bag_of_tokens_loss_nats"]]
    assert recall.loc["constant", "final_loss_median_nats"] == pytest.approx(chance, abs=0.1)
    # Below its floor a model without positions would have seen the answer.
    assert floor - 0.1 < recall.loc["bag", "final_loss_median_nats"] < chance - 0.3
    assert recall.loc[["constant", "bag"], "solved"].sum() == 0

    ratios = pd.read_csv(tables / "ratios.csv")
    assert set(ratios["model"]) == {"lstm", "twin"}  # the reference beside itself: the noise floor
    assert (ratios["ratio_low"] < 1.15).all()
    assert (ratios["ratio_high"] > 1 / 1.15).all()


def test_a_killed_run_goes_on_where_it_was(project):
    """SIGKILL in the middle of a cell: finished shards stay, no half shard, the rest is made."""
    grid = {"models": ["lstm"], "seq_lens": [4], "seeds": [50, 51, 52]}
    override = {"experiments": {"recall": grid}}
    folder = project / "results/recall/model~lstm/seq_len~4"
    wanted = {f"seed~{seed}.parquet" for seed in grid["seeds"]}

    def done():
        return {path.name for path in folder.iterdir()} & wanted

    shards = sorted(str((folder / name).relative_to(project.path)) for name in wanted)
    (project / "override.yaml").write_text(yaml.safe_dump(override))
    process = subprocess.Popen(
        [BIN / "snakemake", "--cores", "1", *shards, "--configfile", SMOKE, "override.yaml"],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not done() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    first = done()
    while done() == first and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (first,) = first
    content = (folder / first).read_bytes()
    missing = wanted - done()
    assert missing

    # The second shard is kept too, though Snakemake may not have noted yet that it was complete.
    jobs = project.planned(*shards, config=override)
    left = {f"seed~{job.cell[3]}.parquet" for job in jobs if job.cell}
    assert left == missing
    project.snakemake(*shards, config=override)
    assert done() == wanted
    assert (folder / first).read_bytes() == content
    assert not [path for path in folder.rglob(".*") if path.is_file()]
