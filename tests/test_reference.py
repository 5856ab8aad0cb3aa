"""The published run, the README and the config say the same."""

import re
from pathlib import Path

import pandas as pd
import yaml

from workflow.seqbench import readme

REFERENCE = Path("results/reference/cpu")


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


def test_readme_example_is_the_tested_one():
    example = re.search(r"```python\n(.*?)\n    \.\.\.", Path("README.md").read_text(), re.DOTALL)
    assert Path("tests/example_model.py").read_text().startswith(example[1])


def test_published_setup_is_the_one_in_the_config():
    published = yaml.safe_load((REFERENCE / "config.yaml").read_text())
    assert published == yaml.safe_load(Path("config.yaml").read_text())


def test_published_run_is_complete_and_made_from_committed_code():
    run = pd.read_csv(REFERENCE / "tables/run.csv")
    assert set(run["experiment"]) >= {"timing", "recall", "timing_audit", "recall_audit"}
    assert (run["uncommitted changes"] == "no").all()
    assert run["commit"].notna().all()
    for name in ("timing", "recall"):
        part = yaml.safe_load(Path("config.yaml").read_text())[name]
        table = pd.read_parquet(REFERENCE / f"tables/{name}.parquet")
        assert len(table) == len(part["models"]) * len(part["seq_lens"])


def test_learning_rates_are_those_that_the_tuning_chose():
    config = yaml.safe_load(Path("config.yaml").read_text())
    table = pd.read_parquet(REFERENCE / "tables/tuning.parquet")
    chosen = table[table["chosen"]].set_index("model")["lr"].to_dict()
    tuned = {
        model: config["models"][model].get("recall", {}).get("lr")
        for model in config["tuning"]["models"]
    }
    assert {model: rate for model, rate in tuned.items() if rate is not None} == chosen
    assert not set(config["tuning"]["seeds"]) & set(config["recall"]["seeds"])
    assert table.groupby("model")["lr"].apply(sorted).map(tuple).nunique() == 1
    assert table["n"].nunique() == 1
