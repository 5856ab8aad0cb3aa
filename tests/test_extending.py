"""What it takes to add something: the files that tests/README.md promises, and no others.

Each test adds one thing to a finished smoke run by the smallest patch, runs it for real, and counts
the files that the patch touched.
"""

import re
import subprocess

import pandas as pd
import pytest
import yaml

from tests.conftest import BIN, JOB, ROOT, SMOKE, Job, shipped
from workflow.seqbench.config import check

EXTEND = (ROOT / "docs/extend.md").read_text()
TASK = '''"""Recall the last token, which needs no memory at all."""

from workflow.seqbench.tasks.first_token import bag_of_tokens_loss, chance_loss

import torch


def sample(generator, batch_size, seq_len, vocabulary):
    tokens = torch.randint(1, vocabulary, (batch_size, seq_len), generator=generator)
    return tokens, tokens[:, -1]
'''
CLAIM = """
  - id: nothing_is_free
    quote: "The results challenge the common misconception"
    source: workflow/original/readme.txt
    rule: "A forward pass takes some time."
    conditions:
      properly measured:
        cells: {experiment: timing, models: [lstm]}
        measure: median
        of: parameters
        at: each
        accepted: [1, .inf]
"""
FIGURE = '''"""The figure of how many runs solved the task."""

import pandas as pd

from workflow.seqbench import log
from workflow.seqbench.showing import style


def main(table, cells, mplstyle, png, svg):
    table, cells = pd.read_parquet(table), pd.read_parquet(cells)
    with style.drawing(mplstyle, cells, "seeds", png, svg, size=(6, 4)) as (axis,):
        axis.barh(table["model"] + table["seq_len"].astype(str), table["solved"])


if __name__ == "__main__":
    log.run(main, snakemake)
'''
RULE = '''

rule solved_figure:
    """Draw how many runs solved the task."""
    input:
        table="{run}/tables/recall.parquet",
        cells="{run}/tables/recall_cells.parquet",
        mplstyle=static("figures.mplstyle"),
    output:
        png=report("{run}/figures/solved.png", caption="../report/solved.rst", category="Recall"),
        svg="{run}/figures/solved.svg",
    params:
        code=digest("workflow.scripts.solved_figure"),
    log:
        "<results>/logs/figures/{run}/solved.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/solved_figure.py"
'''


def touched(project):
    """Files that differ from the project's last commit, its results left out."""
    status = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {line[3:] for line in status.splitlines()} - {"override.yaml"}


def promised():
    """{what: number of files} of the table in tests/README.md."""
    text = (ROOT / "tests/README.md").read_text()
    rows = re.findall(r"^\| an? (\w+) \| (\d) \|", text, re.MULTILINE)
    return {what: int(count) for what, count in rows}


def example():
    """Code and config of the example of a new model."""
    section = EXTEND[EXTEND.index("## Add a model") :]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[:1]
    (config,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[:1]
    return code, yaml.safe_load(config)


@pytest.mark.parametrize("preset", [[], [SMOKE], ["workflow/presets/full.yaml"]], ids=str)
def test_the_example_lacks_nothing_in_any_run(preset):
    """Such as a learning rate, where those of the others are tuned."""
    _, config = example()
    for entry in config["models"].values():
        entry["architecture"] = "tests.example_model:Model"
    plan = check(shipped(*preset, config), local=False)
    for experiment in config["experiments"]:
        assert plan.experiments[experiment]["models"][-1] in config["models"]
        assert all(plan.settings(experiment, **cell) for cell in plan.cells(experiment))


def test_a_model_by_the_example_through_the_default_target(project):
    code, config = example()
    (name,) = config["models"]
    (project / f"workflow/seqbench/models/{name}.py").write_text(code)
    assert len(touched(project)) + 1 == promised()["model"]  # and the user's config

    before = pd.read_csv(project / "results/tables/verdicts.csv")
    project.snakemake(config=config)
    tables = project / "results/tables"
    smoke = check(shipped(SMOKE)).experiments
    for experiment in config["experiments"]:
        table = pd.read_csv(tables / f"{experiment}.csv")
        assert [*table["model"].unique()] == [*smoke[experiment]["models"], name]
    timed = pd.read_csv(tables / "timing.csv").set_index("model")
    d_model = smoke["timing"]["d_model"]
    assert (timed.loc[name, "parameters"] == 4 * d_model * d_model + d_model).all()
    ledger = pd.read_csv(tables / "fairness.csv")
    assert ledger.loc[ledger["model"] == name, "state_bytes_fixed"].isna().all()
    # The claims still have their models: the same rules were judged on the same cells.
    verdicts = pd.read_csv(tables / "verdicts.csv").assign(reproduce=before["reproduce"])
    pd.testing.assert_frame_equal(verdicts, before)
    assert name in pd.read_csv(tables / "ratios.csv")["model"].tolist()

    # An edit of its file reruns its cells and no others.
    project.edit(f"workflow/seqbench/models/{name}.py", "relu(self", "2 * relu(self")
    assert {job.cell[1] for job in project.planned(config=config) if job.cell} == {name}


def test_the_readmes_config_runs_as_printed(smoke_run, tmp_path):
    """By its command. It adds one length, also where others are like `timing`, and one experiment."""
    section = (ROOT / "README.md").read_text().partition("## Change it")[2]
    block = re.search(r"```yaml\n(# (\S+): +(snakemake [^\n]*)\n.*?)```", section, re.DOTALL)
    text, name, command = block.groups()
    (tmp_path / name).write_text(text)
    call = [BIN / "snakemake", *command.split()[1:-1], tmp_path / name, "--dry-run", "--nocolor"]
    done = subprocess.run(call, cwd=smoke_run.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    planned = {Job.parse(*found).cell for found in JOB.findall(done.stdout + done.stderr)} - {None}
    default, mine = (check(shipped(*files), local=False) for files in ([], [tmp_path / name]))
    asked = [
        {(e, *c.values()) for e in plan.names(on_demand=False) for c in plan.cells(e)}
        for plan in (default, mine)
    ]
    assert planned == asked[1] > asked[0]
    added = {cell[0]: set() for cell in asked[1] - asked[0]}
    for experiment, _, length, _ in asked[1] - asked[0]:
        added[experiment].add(length)
    (new,) = mine.experiments.keys() - default.experiments.keys()
    assert added.pop(new) == set(mine.experiments[new]["seq_lens"])
    assert "timing" in added and all(lengths == {4000} for lengths in added.values())


def test_a_model_that_lives_elsewhere(project):
    config = {
        "models": {"elsewhere": {"architecture": "tests.example_model:Model", "width": 3}},
        "experiments": {"timing": {"models": ["elsewhere"], "seq_lens": [50], "seeds": [0]}},
    }
    shard = "results/timing/model~elsewhere/seq_len~50/seed~0.parquet"
    project.snakemake(shard, config=config)
    assert pd.read_parquet(project / shard)["status"].tolist() == ["ok"]
    project.edit("tests/example_model.py", "relu(self", "2 * relu(self")
    assert [job.cell[1] for job in project.planned(shard, config=config)] == ["elsewhere"]


def test_a_task(project):
    (project / "workflow/seqbench/tasks/last_token.py").write_text(TASK)
    assert len(touched(project)) + 1 == promised()["task"]
    mine = {"like": "recall", "task": "last_token", "models": ["lstm"], "seq_lens": [4]}
    project.snakemake("last", config={"experiments": {"last": mine | {"steps": 400}}})
    table = pd.read_csv(project / "results/tables/last.csv")
    assert (table["final_accuracy_median"] > 0.5).all()  # what first_token does not allow so soon


def test_an_experiment_touches_the_config_alone():
    """tests/test_workflow.py runs one: test_an_experiment_is_a_few_lines_of_config."""
    assert promised()["experiment"] == 1


def test_a_claim(project):
    path = project / "workflow/statements/claims.yaml"
    path.write_text(path.read_text().rstrip() + "\n" + CLAIM)
    assert len(touched(project)) == promised()["claim"]
    assert not [job for job in project.planned("verdicts") if job.cell]
    project.snakemake("verdicts")
    row = pd.read_csv(project / "results/tables/verdicts.csv").iloc[-1]
    assert row["claim"] == "nothing_is_free"
    assert "8,448" in row["evidence"]


def test_a_figure(project):
    (project / "workflow/scripts/solved_figure.py").write_text(FIGURE)
    (project / "workflow/report/solved.rst").write_text("Runs that solved the task.\n")
    rules = project / "workflow/rules/figures.smk"
    rules.write_text(rules.read_text() + RULE)
    assert len(touched(project)) == promised()["figure"]
    figure = "results/figures/solved.png"
    assert not [job for job in project.planned(figure) if job.cell]
    project.snakemake(figure)
    assert (project / figure).stat().st_size > 5000


@pytest.mark.parametrize("what", ["model", "task", "experiment", "claim", "figure"])
def test_every_promise_is_kept_by_a_test(what):
    assert what in promised()
