"""The published run, the README and the config say the same."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow.seqbench.config import check
from workflow.seqbench.showing import readme

REFERENCE = Path("results/reference/cpu")
PUBLISHED = yaml.safe_load((REFERENCE / "config.yaml").read_text())
of_this_version = pytest.mark.skipif(
    "experiments" not in PUBLISHED, reason="published by an earlier version; to be renewed"
)


def test_readme_is_in_step_with_the_published_tables():
    text = Path("README.md").read_text()
    assert readme.render(text, REFERENCE) == text, "run: snakemake --cores 4 publish"


def test_readme_shows_every_published_figure():
    text = Path("README.md").read_text()
    for figure in (REFERENCE / "figures").glob("*.png"):
        assert f"({figure.as_posix()})" in text


def test_readme_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", Path("README.md").read_text()):
        assert Path(target).exists(), target


@of_this_version
def test_published_setup_is_the_one_in_the_config():
    assert yaml.safe_load(Path("config.yaml").read_text()) == PUBLISHED


@of_this_version
def test_published_run_is_complete():
    plan = check(PUBLISHED)
    for name in plan.names(on_demand=False):
        cells = pd.read_parquet(REFERENCE / f"tables/{name}_cells.parquet")
        made = set(zip(cells["model"], cells["seq_len"], cells["seed"], strict=True))
        assert made == {tuple(cell.values()) for cell in plan.cells(name)}
        assert (REFERENCE / f"figures/{plan.figure(name)}.png").is_file()


def test_published_run_was_made_from_committed_code():
    run = pd.read_csv(REFERENCE / "tables/run.csv")
    assert set(run["experiment"]) >= {"timing", "recall", "timing_audit", "recall_audit"}
    assert (run["uncommitted changes"] == "no").all()
    assert run["commit"].notna().all()


def test_learning_rates_are_those_that_the_tuning_chose():
    config = yaml.safe_load(Path("config.yaml").read_text())
    table = pd.read_parquet(REFERENCE / "tables/tuning.parquet")
    chosen = table[table["chosen"]].set_index("model")["lr"].to_dict()
    plan = check(config)
    tuning, recall = plan.experiments["tuning"], plan.experiments["recall"]
    tuned = {
        model: config["models"][model].get("training", {}).get("lr") for model in tuning["models"]
    }
    # A rate that is the experiment's own need not be repeated.
    rates = {model: rate or recall["lr"] for model, rate in tuned.items() if model in chosen}
    assert rates == chosen
    assert not set(tuning["seeds"]) & set(recall["seeds"])
    assert table.groupby("model")["lr"].apply(sorted).map(tuple).nunique() == 1
    assert table["n"].nunique() == 1
