"""The full run is the default run with longer lists: it adds to the same folder and redoes nothing."""

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, SMOKE, shipped
from workflow.seqbench.config import check
from workflow.seqbench.experiments import LISTS

FULL = "workflow/presets/full.yaml"
CALLED = {*LISTS, "on_demand"}  # what a larger run may change; all else is what a cell is made of


@pytest.fixture(scope="module")
def plans():
    return [check(shipped(*preset), local=False) for preset in ([], [FULL])]


def test_the_full_preset_sets_lists_alone():
    override = yaml.safe_load((ROOT / FULL).read_text())
    assert set(override) == {"experiments"}
    assert set(override["experiments"]) <= set(shipped()["experiments"])
    for name, part in override["experiments"].items():
        assert set(part) <= CALLED, name


def test_experiments_of_both_runs_have_the_same_settings(plans):
    """Also those that take a key from one that the preset changes."""
    default, full = (
        {
            name: {key: value for key, value in part.items() if key not in CALLED}
            for name, part in plan.experiments.items()
        }
        for plan in plans
    )
    assert default == full
    for key in set(plans[0].config) - {"experiments"}:
        assert plans[0].config[key] == plans[1].config[key]


def test_the_full_run_keeps_every_cell_of_the_default_run_and_adds_to_them(plans):
    """Same path, same digest of all that its numbers depend on: nothing is to be made again."""
    default, full = (
        {
            plan.shard(name, cell): plan.asked(name, **cell)
            for name in plan.names(on_demand=False)
            for cell in plan.cells(name)
        }
        for plan in plans
    )
    assert default.items() < full.items()
    assert len(full) > 2 * len(default)


def test_the_full_run_has_every_experiment_but_the_sweeps(plans):
    _, full = plans
    assert full.names(on_demand=True) == full.names(swept=True) == ["tuning", "tuning_large"]


@pytest.mark.parametrize("which", [0, 1], ids=["default", "full"])
def test_intervals_have_the_processes_and_seeds_that_they_need(plans, which):
    """Three at least, and six wherever the full run does not say otherwise."""
    plan, least = plans[which], (3, 6)[which]
    for name in plan.names(on_demand=False):
        counts = pd.DataFrame(plan.cells(name)).groupby(["model", "seq_len"])["seed"].nunique()
        assert counts.min() >= least, name


# A tiny pair: the smoke run, and what the full preset is to it.

FEW = {"on_demand": False, "seeds": [0]}
SHORT = {**FEW, "seq_lens": [50], "seq_lens_of": {}, "seeds_of": {}}
TINY = {
    "timing": {"seeds": [0, 1, 2], "seq_lens_of": {"transformer_matched": [50, 100, 200]}},
    "timing_original": {**FEW, "seq_lens": [50, 200]},
    "timing_audit": SHORT,
    "timing_audit_malloc": SHORT,
    "timing_system": SHORT,
    "timing_batch32": {**SHORT, "models": ["transformer_matched"]},
    "timing_threads2": {**SHORT, "models": ["transformer_matched"]},
    "timing_more": {**SHORT, "models": ["gru", "hybrid"]},
    "train_step": {**SHORT, "models": ["lstm"]},
    "decode": {**SHORT, "models": ["lstm", "transformer_decoder_no_cache_matched"]},
    "recall": {"seq_lens": [4, 6, 8], "seeds_of": {"lstm": {4: [0, 1, 2]}}},
    "recall_original": FEW,
    "recall_audit": FEW,
    "recall_positions": {**FEW, "models": ["transformer_rotary_matched"]},
    "readout": {**FEW, "seq_lens": [8], "models": ["lstm_mean", "transformer_last"]},
    "forget_bias": {**FEW, "seq_lens": [8], "models": ["lstm_bias_0", "lstm_bias_4"]},
    "forget_bias_batch8": {**FEW, "seq_lens": [8], "models": ["lstm_bias_2"]},
    "forget_bias_batch128": {**FEW, "seq_lens": [8], "models": ["lstm_bias_2"]},
    "gradient_cut": {**FEW, "seq_lens": [8]},
    "asked_at_end": FEW,
    "asked_everywhere": FEW,
    "curriculum": FEW,
    "uniform_attention": FEW,
    "recall_more": {**FEW, "seq_lens": [8], "models": ["gru_chrono", "mingru"]},
}
SWEEPS = {
    "tuning": {"models": ["lstm"], "seq_lens": [4], "learning_rates": [0.002, 0.005]},
    "tuning_large": {"models": ["transformer"], "seq_lens": [4], "learning_rates": [0.002]},
}
LARGER = {"experiments": TINY | SWEEPS}
# What is run for real: each kind of call and training once, and what the figure of causes is made of.
ALIKE = {"timing_audit", "recall_original", "train_step"}
ALIKE |= {
    "timing_audit_malloc",
    "timing_system",
    "timing_batch32",
    "timing_threads2",
    "timing_more",
}
ALIKE |= {"recall_audit", "recall_positions", "recall_more", "uniform_attention"}
ALIKE |= {"forget_bias_batch8", "forget_bias_batch128"}
MADE = {"experiments": {k: v for k, v in (TINY | SWEEPS).items() if k not in ALIKE}}


def asked_for(*overrides):
    """{cell: its shard} of the default target."""
    plan = check(shipped(SMOKE, *overrides))
    return {
        (name, *cell.values()): plan.shard(name, cell)
        for name in plan.names(on_demand=False)
        for cell in plan.cells(name)
    }


def test_the_tiny_pair_is_as_the_real_one(plans):
    assert {*TINY} == {*plans[1].names(on_demand=False)} == {name for name, *_ in asked_for(LARGER)}
    assert all(set(part) <= CALLED for part in LARGER["experiments"].values())


def test_a_larger_run_plans_the_cells_that_it_adds_and_no_others(smoke_run):
    planned = [job.cell for job in smoke_run.planned(config=LARGER) if job.cell]
    assert len(planned) == len(set(planned))
    assert set(planned) == asked_for(LARGER).keys() - asked_for().keys()


def test_a_larger_run_adds_to_a_finished_one_and_redoes_nothing(project):
    """And back: the smaller run finds its cells as they were."""
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in (project / shard for shard in asked_for().values())
    }
    project.snakemake(config=MADE)
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == old for path, old in before.items())
    assert all((project / shard).is_file() for shard in asked_for(MADE).values())
    assert project.planned(config=MADE) == []
    assert not [job for job in project.planned() if job.cell]

    tables, figures = project / "results/tables", project / "results/figures"
    plan = check(shipped(SMOKE, MADE))
    for name in plan.names(on_demand=False):
        cells = pd.read_parquet(tables / f"{name}_cells.parquet")
        assert len(cells) == len(plan.cells(name)) and set(cells["status"]) == {"ok"}, name
        assert (figures / f"{plan.figure(name)}.png").stat().st_size > 5000
    for figure in ("audit", "causes", "forward_ram"):
        assert (figures / f"{figure}.png").stat().st_size > 5000
    findings = pd.read_parquet(tables / "findings.parquet")
    lacking = findings["note"].str.extract(r"(\w+) was not run")[0].dropna()
    assert set(lacking) <= ALIKE
    for name, rows in {"verdicts": 9, "causes": 20, "expectations": 12, "audit": 20}.items():
        assert len(pd.read_csv(tables / f"{name}.csv")) >= rows

    # Sweeps are on demand; the rates that they choose become those of `lr: tuned`.
    project.snakemake("tuning", "tuning_large", "adopt_rates", config=MADE)
    rates = pd.read_csv(project / "workflow/tuned_rates.csv")
    assert rates[["model", "seq_len"]].to_numpy().tolist() == [["lstm", 4], ["transformer", 4]]
    tuned = {"recall": {"lr": "tuned", "seq_lens": [4], "models": ["lstm", "transformer"]}}
    shard = "results/recall/model~lstm/seq_len~4/seed~0.parquet"
    jobs = project.planned(shard, config={"experiments": tuned})
    chosen = rates.set_index("model")["lr"]
    assert bool(jobs) == (chosen["lstm"] != plan.experiments["recall"]["lr"])

    # This run against one that was published: itself.
    reference = project / "results/reference/cpu/tables"
    reference.mkdir(parents=True, exist_ok=True)
    for table in tables.iterdir():
        (reference / table.name).write_bytes(table.read_bytes())
    project.snakemake("compare", config=MADE)
    assert set(pd.read_csv(tables / "compare.csv")["part"]) == {"timing", "recall", "claims"}
