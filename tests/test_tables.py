"""Aggregation of cells with a known answer, and tables as people read them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests import synthetic, test_shards
from tests.conftest import shipped
from tests.synthetic import NAN, run
from workflow import why
from workflow.scripts import (
    comparison_tables,
    distance_table,
    experiment_tables,
    read_outs_table,
)
from workflow.seqbench.config import check
from workflow.seqbench.judging import compare
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.judging.statements import load
from workflow.seqbench.judging.verdicts import expectation_table, not_held, verdict_table
from workflow.seqbench.log import UserError
from workflow.seqbench.results import collecting, comparisons, summaries
from workflow.seqbench.results.selecting import incomplete, read_table
from workflow.seqbench.showing import tables, text
from workflow.seqbench.sources import ROOT

INF = math.inf


def timed(times, model="lstm", seq_len=100, status=None, flags=None, **columns):
    """Timing shards of one (model, seq_len): one for each time."""
    n = len(times)
    return pd.DataFrame(
        {
            "model": model,
            "architecture": "lstm",
            "seq_len": seq_len,
            "seed": range(n),
            "status": status or ["ok"] * n,
            "cpu_model": "a CPU",
            "time_s": times,
            "samples_s": [np.full(10, time) for time in times],
            **dict.fromkeys(("reference_time_s", "half_time_s"), math.nan),
            **dict.fromkeys(("reference_samples_s", "half_samples_s")),
            "cold_s": np.multiply(times, 3.0),
            "calibration_s": 0.5,
            "tokens": seq_len,
            "flops": 4_000_000_000,
            "parameters": 1000,
            "page_faults": 12.0,
            "call_ram_bytes": 2_000_000,
            "peak_ram_bytes": 300_000_000,
            "flags": [np.array(f, dtype=object) for f in flags or [[]] * n],
        }
        | columns
    )


def trained(solved_step, model="lstm", seq_len=100, status=None, **columns):
    """Shards of one (model, seq_len) that train: one for each step of solving (or NaN)."""
    n = len(solved_step)
    return pd.DataFrame(
        {
            "model": model,
            "architecture": "lstm",
            "seq_len": seq_len,
            "seed": range(n),
            "status": status or ["ok"] * n,
            "cpu_model": "a CPU",
            "task": "first_token",
            "vocabulary": 100,
            "steps": 500,
            "budget_steps": 500,
            "solved_step": np.array(solved_step, dtype=float),
            "solved_s": np.array(solved_step, dtype=float) / 100,
            "solved_step_loose": np.array(solved_step, dtype=float),
            "accuracy_2x": 0.75,
            "accuracy_4x": None,
            "accuracy_longer_error": None,
            "final_loss": np.linspace(1, 2, n),
            "final_accuracy": np.linspace(0.2, 1, n),
            "step_s": 0.01,
            "lr": 0.005,
            "parameters": 1000,
            "core_parameters": 800,
            "flags": [np.array([], dtype=object) for _ in range(n)],
            "train_loss": [np.array([4.6, 4.5]) for _ in range(n)],
            "gradient_share_initial": 1e-5,
            "chance_loss_nats": 4.595,
            "bag_of_tokens_loss_nats": 4.031,
            "attention_first": None,
        }
        | columns
    )


def summary(shards, kind, keys=("model", "seq_len")):
    shards = shards.reset_index(drop=True)
    return summaries.summary(shards, summaries.cells_table(shards, kind), kind, list(keys))


def only(shards, kind):
    """The one row of a table."""
    [(_, row)] = summary(shards, kind).iterrows()
    return row


# Times


def test_one_row_per_model_and_length_in_the_order_of_the_config():
    cells = pd.concat([timed([1.0, 2.0], m, n) for m in ("b", "a") for n in (500, 100)])
    table = summary(cells.sort_values("seed", kind="stable"), "timing")
    assert list(zip(table["model"], table["seq_len"], strict=True)) == [
        ("b", 500),
        ("b", 100),
        ("a", 500),
        ("a", 100),
    ]


def test_timing_of_six_processes():
    """n = 6 is the least for an interval from order statistics: it spans all six."""
    row = only(timed([0.1, 0.2, 0.3, 0.5, 0.6, 2.0]), "timing")
    assert row["n"] == row["ok"] == 6
    assert row["time_median_s"] == pytest.approx(0.4)
    assert (row["time_low_s"], row["time_high_s"]) == (0.1, 2.0)
    assert row["interval"] == "order statistics"
    assert row["cold_median_s"] == pytest.approx(1.2)
    assert row["tokens_per_s"] == pytest.approx(250)
    assert row["gflops_per_s"] == pytest.approx(10)
    assert row["time_calibrated_median"] == pytest.approx(0.8)
    assert row["parameters"] == 1000
    assert row["peak_ram_bytes"] == 300_000_000


def test_fewer_processes_say_how_their_interval_was_made():
    row = only(timed([1.0, 1.0, 4.0]), "timing")
    # Logs 0, 0, ln 4: mean 0.4621, standard error 0.4621, and t(0.975, 2) is 4.3027.
    assert row["interval"] == "t on logs"
    assert row["time_low_s"] == pytest.approx(math.exp(0.46210 * (1 - 4.30265)), rel=1e-3)
    assert row["time_high_s"] == pytest.approx(math.exp(0.46210 * (1 + 4.30265)), rel=1e-3)
    row = only(timed([1.0, 4.0]), "timing")
    assert row["interval"] == "not enough runs (n = 2)"
    assert math.isnan(row["time_low_s"])
    assert math.isnan(row["time_high_s"])


def test_spread_between_processes_is_not_that_within_one():
    rng = np.random.default_rng(0)
    times = np.exp(0.1 * rng.standard_normal(30))
    samples = [time * np.exp(0.02 * rng.standard_normal(40)) for time in times]
    row = only(timed(times, samples_s=samples), "timing")
    assert row["spread_between"] == pytest.approx(0.1, rel=0.3)
    assert row["spread_within"] == pytest.approx(0.02, rel=0.1)


def test_failed_cells_are_counted_and_have_no_time():
    status = ["ok", "out of memory", "over budget", "ok", "ok"]
    row = only(timed([1.0, NAN, NAN, 2.0, 3.0], status=status), "timing")
    assert (row["n"], row["ok"], row["out_of_memory"], row["over_budget"]) == (3, 3, 1, 1)
    assert row["time_median_s"] == 2.0
    row = only(timed([NAN, NAN], status=["out of memory"] * 2, tokens=NAN), "timing")
    assert (row["n"], row["out_of_memory"]) == (0, 2)
    assert math.isnan(row["time_median_s"])


def test_flags_are_counted():
    flags = [["busy machine"], ["busy machine", "not steady"], []]
    row = only(timed([1.0, 1.0, 1.0], flags=flags), "timing")
    assert row["flags"] == "busy machine 2/3; not steady 1/3"
    assert only(timed([1.0]), "timing")["flags"] == ""


def test_the_sentence_on_the_machine_counts_cells_that_a_neighbour_slowed():
    cells = pd.DataFrame({"calibration_s": [1.0] * 8 + [1.09, 1.11, 1.3, NAN]})
    assert tables.slowed(cells) == 2
    assert tables.slowed(cells.iloc[:8]) == 0


# Trainings


def test_recall_of_five_seeds():
    row = only(trained([100, 200, 300, NAN, NAN]), "training")
    assert (row["n"], row["solved"], row["solved_share"]) == (5, 3, 0.6)
    # Clopper and Pearson for 3 of 5.
    assert (row["solved_low"], row["solved_high"]) == pytest.approx((0.1466, 0.9473), abs=1e-4)
    assert row["steps_to_solve_median"] == 300
    assert row["seconds_to_solve_median_s"] == 3
    assert row["final_loss_median_nats"] == 1.5
    assert row["final_accuracy_min"] == pytest.approx(0.2)
    assert row["final_accuracy_max"] == pytest.approx(1)
    assert row["gradient_share_median"] == 1e-5  # before training
    assert (row["chance_loss_nats"], row["bag_of_tokens_loss_nats"]) == (4.595, 4.031)


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([100, 200, NAN, NAN], INF),  # half are unsolved
        ([100, NAN, NAN], INF),
        ([NAN], INF),
        ([100, 200, 300, NAN], 250),
        ([300, 100, NAN], 300),
    ],
)
def test_a_run_that_is_not_solved_counts_as_infinity(steps, median):
    assert only(trained(steps), "training")["steps_to_solve_median"] == median


def test_all_solved_shows_a_rate_of_about_half_at_least():
    row = only(trained([100] * 5), "training")
    assert row["solved_low"] == pytest.approx(0.478, abs=1e-3)
    assert row["solved_high"] == 1


def test_statuses_of_trainings_are_counted_and_every_run_stays():
    status = ["ok", "diverged", "over budget"]
    shards = trained([100, NAN, NAN], status=status, final_loss=[0.1, NAN, 4.0], steps=[500, 9, 70])
    row = only(shards, "training")
    assert (row["n"], row["ok"], row["diverged"], row["over_budget"]) == (3, 1, 1, 1)
    assert row["solved"] == 1
    assert row["steps_to_solve_median"] == INF
    assert row["solved_high"] > only(trained([100, NAN, NAN]), "training")["solved_high"]


def test_curves_have_a_row_for_each_step():
    lists = ("train_loss", "step", "train_loss")
    curves = summaries.unrolled(trained([100, NAN]), ["model", "seq_len"], *lists)
    assert curves[["seed", "step"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert curves["train_loss"].tolist() == pytest.approx([4.6, 4.5, 4.6, 4.5])
    assert set(curves) == {"model", "architecture", "seq_len", "seed", "step", "train_loss"}


def test_cells_leave_lists_out_and_add_what_is_derived():
    cells = summaries.cells_table(trained([100, NAN]), "training")
    assert "train_loss" not in cells
    assert cells["flags"].tolist() == ["", ""]  # the one list that is kept, as text
    assert cells["final_loss"].tolist() == [1, 2]
    cells = summaries.cells_table(timed([1.0, 2.0]), "timing")
    assert "samples_s" not in cells
    assert cells["time_calibrated"].tolist() == [2, 4]


def test_a_ratio_is_taken_over_all_rounds():
    """On a machine that works at two speeds the medians of two models may be of different ones."""
    speed = np.repeat([1.0, 2.0], [5, 6])
    own, other = 3 * speed, 0.75 * speed * np.r_[np.ones(9), 1.02, 1 / 1.02]
    medians = {"time_s": 6.0, "reference_time_s": 0.75}
    cell = timed([3.0], samples_s=[own], reference_samples_s=[other], **medians)
    cells = summaries.cells_table(cell, "timing")
    assert cells["over_reference"].tolist() == pytest.approx([4.0])
    assert cells["over_half"].isna().all()


def test_a_ratio_of_first_calls_is_their_quotient():
    first = {"samples_s": [[]], "reference_samples_s": [None], "reference_time_s": 0.5}
    assert summaries.cells_table(timed([3.0], **first), "timing")["over_reference"].tolist() == [6]


def watched(attention, loss, solved_step=100, **columns):
    """A shard whose probe and evaluations saw these; the first attention is before training."""
    lists = {"attention_first": attention, "eval_loss": loss, "eval_step": [25, 50, 75, 100, 125]}
    lists = {name: [values and np.array(values, dtype=float)] for name, values in lists.items()}
    return trained([solved_step], **lists | columns)


@pytest.mark.parametrize(
    ("attention", "loss", "rise", "drop"),
    [
        ([0.1, 0.1, 0.9, 1, 1, 1], [4.6, 4.6, 4.6, 0.1, 0.0], 50, 100),  # found, then used
        ([0.1, 0.1, 0.1, 0.1, 0.9, 1], [4.6, 1.0, 0.1, 0.0, 0.0], 100, 50),  # the other way round
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [4.0, 3.0, 2.0, 1.0, 0.0], 75, 75),  # beyond half-way
        ([0.5, 0.1, 0.1, 0.4, 0.9, 0.9], [4.6, 4.6, 4.6, 4.6, 0.0], 100, 125),  # from where it was
    ],
)
def test_when_attention_finds_the_first_token_and_when_the_loss_drops(attention, loss, rise, drop):
    """Chance is 4.595; half-way is between the first value and the best one."""
    [cell] = summaries.cells_table(watched(attention, loss), "training").to_dict("records")
    assert (cell["attention_rise_step"], cell["loss_drop_step"]) == (rise, drop)
    assert cell["attention_lead_steps"] == drop - rise


def test_without_attention_or_unsolved_there_is_no_such_moment():
    without = watched(None, [4.6, 1.0, 0.1, 0.0, 0.0])
    unsolved = watched([0.1] * 6, [4.6] * 5, solved_step=NAN)
    cells = summaries.cells_table(pd.concat([without, unsolved], ignore_index=True), "training")
    assert cells["solved"].tolist() == [True, False]
    moments = cells[["attention_rise_step", "loss_drop_step", "attention_lead_steps"]]
    assert moments.isna().all(axis=None)


def swept(rates):
    """The table of a sweep. rates: {learning rate: steps to solve of each seed}."""
    parts = [trained(steps, lr=lr) for lr, steps in rates.items()]
    table = summary(pd.concat(parts), "training", ("model", "seq_len", "lr"))
    return summaries.choose_rates(table)


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({0.01: [100, 100, NAN], 0.001: [400, 400, 400]}, [0.001]),  # most seeds solved
        ({0.01: [400, 400, 400], 0.001: [100, 100, 100]}, [0.001]),  # of those, the fewest steps
        ({0.01: [100, 100, 100], 0.001: [400, 400, 400]}, [0.01]),
        ({0.01: [400, 400, 900], 0.001: [450, 450, 450]}, [0.01]),  # by the median, not the mean
        # The fastest is the last one that works: another seed may be beyond it.
        ({0.001: [900], 0.003: [400], 0.01: [100], 0.03: [NAN]}, [0.003]),
        ({0.001: [NAN], 0.003: [400], 0.01: [100], 0.03: [NAN]}, [0.01]),  # both are at the edge
        ({0.001: [900], 0.003: [400], 0.01: [100]}, [0.003]),  # what lies beyond is not known
        ({0.001: [900, 900], 0.003: [400, 400], 0.01: [100, NAN]}, [0.003]),
        ({0.001: [900], 0.003: [400], 0.01: [200], 0.03: [300], 0.1: [NAN]}, [0.01]),
    ],
)
def test_the_best_rate_solves_most_seeds_between_others_that_do_in_the_fewest_steps(rates, chosen):
    table = swept(rates)
    assert table.loc[table["chosen"], "lr"].tolist() == chosen
    assert table["lr"].tolist() == sorted(rates)


@pytest.mark.parametrize("solved_step", [100, NAN], ids=["solved by all", "solved by none"])
def test_of_rates_alike_the_one_with_the_lowest_loss_is_chosen(solved_step):
    losses = {0.1: 0.2, 0.2: 0.1, 0.3: 0.3}
    parts = [trained([solved_step] * 3, lr=lr, final_loss=loss) for lr, loss in losses.items()]
    table = summary(pd.concat(parts), "training", ("model", "seq_len", "lr"))
    assert summaries.choose_rates(table)["chosen"].tolist() == [False, True, False]


def test_every_model_and_length_has_its_own_rate():
    parts = [
        trained([steps], model, seq_len, lr=lr)
        for model, seq_len, lr, steps in (
            *(("a", 25, 0.1, 100), ("a", 25, 0.2, 200), ("a", 50, 0.1, 200), ("a", 50, 0.2, 100)),
            *(("b", 25, 0.1, NAN), ("b", 25, 0.2, 100)),
        )
    ]
    table = summary(pd.concat(parts), "training", ("model", "seq_len", "lr"))
    chosen = summaries.choose_rates(table).query("chosen")
    assert chosen[["model", "seq_len", "lr"]].to_numpy().tolist() == [
        *(["a", 25, 0.1], ["a", 50, 0.2], ["b", 25, 0.2])
    ]


# Comparisons


def compared():
    """Run with two models and a third that completes nothing, times known at each length."""
    line = lambda n: 1e-5 * n  # noqa: E731
    itself = synthetic.timed(line, "lstm", reference=line)
    slow = synthetic.timed(lambda n: line(n) * (n / 800) ** 0.5, "other", reference=line)
    none = synthetic.timed(lambda n: NAN, "none", reference=line)
    return run(timing_cells=[itself, slow, none])


def test_ratios_are_over_the_reference_with_a_row_for_all_lengths():
    table = comparisons.ratios(compared(), ["timing"], 0.05)
    assert table["model"].unique().tolist() == ["lstm", "other", "none"]
    assert set(table["relative_to"]) == {"lstm"}
    parts = {model: rows.set_index("seq_len") for model, rows in table.groupby("model")}
    lengths = list(synthetic.LENGTHS)
    other = parts["other"]
    assert other.loc[lengths, "ratio"].tolist() == pytest.approx(
        [(n / 800) ** 0.5 for n in lengths], rel=0.03
    )
    assert other.loc[lengths, "verdict"].tolist() == ["faster"] * 2 + ["slower"] * 3
    floor = parts["lstm"].loc[lengths]  # the reference in turns with itself
    assert floor["ratio"].between(0.97, 1.03).all() and (floor["ratio"] != 1).all()
    assert set(floor["verdict"]) == {"equal"}
    whole = other[other.index.isna()].iloc[0]
    assert whole["verdict"] == "equal"  # 800 is near the geometric mean of the lengths
    assert whole["equal_low"] < 800 < whole["equal_high"]
    assert other["equal_at"].notna().sum() == 1
    none = parts["none"]  # a model that completes nothing stops no table
    assert none.loc[lengths, "verdict"].tolist() == ["slower"] * 5  # than one that completes it
    assert none.loc[lengths, "interval"].tolist() == ["failed in each process"] * 5
    assert none["verdict"].iloc[-1] == "not enough runs" and none["n"].iloc[-1] == 0
    assert none["equal_note"].iloc[-1] == "not enough lengths"


def test_without_a_reference_the_first_model_is_the_reference():
    """As in a run that was made before models took turns."""
    cells = compared().table("timing_cells")[["model", "seq_len", "seed", "time_s"]]
    table = comparisons.ratios(run(timing_cells=cells), ["timing"], 0.05)
    assert table["model"].unique().tolist() == ["other", "none"]
    assert set(table["relative_to"]) == {"lstm"}
    assert table["interval"].iloc[0] == "Welch t on logs"


def test_scaling_has_a_row_per_model():
    table = comparisons.scaling(compared(), ["timing"]).set_index("model")
    assert table.loc["lstm", "slope"] == pytest.approx(1, abs=0.03)
    assert table.loc["other", "slope"] == pytest.approx(1.5, abs=0.03)
    assert table.loc["lstm", "slope_low"] < 1 < table.loc["lstm", "slope_high"]
    assert table.loc["lstm", "over"] == "250 to 3,000 tokens"  # doublings from 250 to 500 on
    assert math.isnan(table.loc["none", "slope"]) and math.isnan(table.loc["none", "misfit"])


def test_distances_are_in_order_and_unsolved_runs_take_longer_than_the_budget(tmp_path):
    far = trained([90, *[NAN] * 5], seq_len=9, budget_steps=100)
    near = trained([10, 20, 30, 40, 50, 60], seq_len=3, budget_steps=100)
    summary(pd.concat([far, near]), "training").to_parquet(tmp_path / "recall.parquet")
    paths = [tmp_path / f"distance{suffix}" for suffix in (".csv", ".parquet", ".md", ".html")]
    distance_table.main(tmp_path / "recall.parquet", *paths)
    table = pd.read_parquet(paths[1])
    assert table["seq_len"].tolist() == [3, 9]
    assert table["steps_to_solve_median"].tolist() == [35, INF]
    assert table["solved"].tolist() == [6, 1]
    assert "35 [10, 60]" in paths[2].read_text()
    assert "more than 100 [90, more than 100]" in paths[2].read_text()
    assert "1 of 6 [0 %, 64 %]" in paths[2].read_text()


def test_read_outs_stand_side_by_side(tmp_path):
    """Ten at each length, each from the experiment that has it; a model may stand there twice."""
    spec = ROOT / "workflow/figures.yaml"
    pairs = yaml.safe_load(spec.read_text())["readout"]
    models = {model for pair in pairs.values() for model in pair}
    plan = check(shipped("workflow/presets/full.yaml"), local=False)
    for name in ("recall", "readout"):
        made = [(model, n) for model in plan.experiments[name]["models"] for n in (9, 3)]
        frames = [trained([100] * 3, seq_len=n).assign(model=model) for model, n in made]
        summary(pd.concat(frames), "training").to_parquet(tmp_path / f"{name}.parquet")
    paths = [tmp_path / f"read_outs{suffix}" for suffix in (".csv", ".parquet", ".md", ".html")]
    given = [tmp_path / f"{name}.parquet" for name in ("recall", "readout")]
    read_outs_table.main(given, spec, *paths)
    table = pd.read_parquet(paths[1])
    assert table["seq_len"].tolist() == [3] * 10 + [9] * 10 and set(table["model"]) == models
    assert table["read"].tolist() == ["last", "mean"] * 10
    assert "| LSTM " in paths[2].read_text() and "3 of 3 [" in paths[2].read_text()


# Tables as people read them


def expected():
    expectations = load(ROOT / "workflow/statements/expectations.yaml")
    return expectation_table(expectations, findings(expectations, run()))


def verdicts():
    claims = load(ROOT / "workflow/statements/claims.yaml")
    return verdict_table(claims, findings(claims, run()))


TABLES = {
    "timing": lambda: summary(timed([0.1] * 6), "timing").assign(machine="a CPU"),
    "training": lambda: swept({0.01: [100] * 3, 0.1: [NAN] * 3}),
    "distance": lambda: summary(trained([100] * 3), "training"),
    "ratios": lambda: comparisons.ratios(compared(), ["timing"], 0.05),
    "scaling": lambda: comparisons.scaling(compared(), ["timing"]),
    "claims": verdicts,
    "expectations": expected,
    "read_outs": lambda: summary(trained([100] * 3), "training").assign(name="LSTM", read="last"),
    "compare": lambda: pd.DataFrame(columns=compare.COLUMNS),
}
ELSEWHERE = {"gradient_flow", "attention", "fairness"}  # test_positions.py and test_fairness.py


def test_trainings_of_two_kinds_of_machines_are_marked():
    cells = trained([100, 200, 300])
    cells["cpu_model"] = ["a CPU", "a CPU", "another CPU"]
    assert summary(cells, "training")["flags"].tolist() == ["2 CPU models"]
    cells["device"], cells["device_name"] = "cuda", ["a GPU", "another GPU", "a third GPU"]
    assert summary(cells, "training")["flags"].tolist() == ["2 CPU models; 3 GPUs"]


def test_times_of_two_kinds_of_machines_stand_one_below_the_other(tmp_path):
    """And what is drawn and judged is of the kind of most cells; a table of one kind has no column."""
    cells = [{"model": "lstm", "seq_len": n, "seed": seed} for n in (100, 200) for seed in range(3)]
    cells.append({"model": "gru", "seq_len": 100, "seed": 0})  # on the second kind alone
    cpus = ["a CPU", "another CPU", "another CPU"] * 2 + ["a CPU"]
    paths = [
        test_shards.write(tmp_path, **cell, device_name=cpu, cpu_model=cpu, time_s=len(cpu))
        for cell, cpu in zip(cells, cpus, strict=True)
    ]
    names = [".csv", ".parquet", ".md", ".html", "_cells.parquet", "_samples.parquet"]
    files = [tmp_path / f"tables/timing{name}" for name in names]
    files[0].parent.mkdir()

    def made(part):
        paths_of, cells_of = [*zip(*part, strict=True)]
        experiment_tables.main(paths_of, "timing", "timing", [*cells_of], len(cells_of), *files)
        return [read_table(files[i]) for i in (1, 4, 5)], files[2].read_text()

    every = [*zip(paths, cells, strict=True)]
    (first, of_cells, samples), shown = made(every)
    table = pd.read_csv(files[0])
    assert table["machine"].tolist() == ["another CPU"] * 2 + ["a CPU"] * 3
    assert table["model"].tolist() == ["lstm"] * 4 + ["gru"]
    assert table["n"].tolist() == [2, 2, 1, 1, 1]
    assert table["time_median_s"].tolist() == [11, 11, 5, 5, 5]
    assert first["n"].tolist() == [2, 2]
    assert set(of_cells["cpu_model"]) == {"another CPU"} and len(of_cells) == 4
    assert set(samples["seed"]) == {1, 2}
    assert len(read_table(files[4], every_machine=True)) == 7
    part = "4 of 7 cells, those on another CPU"
    assert f"Incomplete: {part}" in shown and "| a CPU" in shown and incomplete(of_cells) == part

    behind = [
        next(why.cells_of(tmp_path, "timing", row))["seed"].tolist()
        for row in (
            table.iloc[2].to_dict(),
            {"experiment": "timing", "models": "lstm", "seq_len": 100},
        )
    ]
    assert behind == [[0], [1, 2]]  # of the second kind's row, and of what was judged

    (table, _, _), shown = made([pair for pair in every if pair[1]["seed"]])
    pd.testing.assert_frame_equal(table, first.drop(columns="machine"))
    assert "machine" not in shown.split("\n\n")[1] and "Incomplete" not in shown


def test_a_gpu_is_named_with_its_cpu_as_a_kind_of_machine():
    names = [("a CPU", "a CPU"), ("a GPU", "a CPU"), ("a GPU", "a CPU")]
    frame = pd.DataFrame(names, columns=["device_name", "cpu_model"])
    kinds = collecting.by_machine(frame)
    assert {kind: len(part) for kind, part in kinds.items()} == {"a GPU, a CPU": 2, "a CPU": 1}
    assert [*kinds] == ["a GPU, a CPU", "a CPU"]


def test_ratios_and_growth_say_of_which_cells_they_are(tmp_path):
    cells = compared().table("timing_cells").assign(cells_asked=99, machine="a CPU")
    cells.to_parquet(tmp_path / "timing_cells.parquet")
    paths = [[tmp_path / f"{name}.md"] for name in ("ratios", "scaling")]
    comparison_tables.main([tmp_path / "timing_cells.parquet"], ["timing"], 0.05, *paths)
    part = f"Incomplete: timing, {len(cells)} of 99 cells, those on a CPU."
    assert all(path.read_text().rstrip().endswith(part) for (path,) in paths)


def test_a_damaged_table_is_refused_by_name_and_never_read_otherwise(tmp_path):
    path = tmp_path / "timing_cells.parquet"
    frame = pd.concat([timed([1.0, 2.0, 3.0]).drop(columns=["samples_s", "flags"])] * 9)
    tables.write(frame, path)
    content, before = path.read_bytes(), read_table(path)
    for place in range(4, len(content), 41):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            after = read_table(path)
        except UserError as refusal:
            assert f"{path} is damaged; make it again: snakemake" in str(refusal)
        else:  # what is flipped is read by nobody
            pd.testing.assert_frame_equal(after, before)


def test_every_view_has_its_table():
    assert set(tables.views()) == set(TABLES) | ELSEWHERE


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_a_view_exists_in_its_table(name):
    """A column that is misspelt would silently be left out."""
    assert list(tables.view(name, TABLES[name]())) == list(tables.views()[name])


def test_a_column_that_a_table_lacks_is_left_out():
    shown = tables.view("training", summary(trained([100] * 3), "training"))
    assert "chosen" not in shown and "solved" in shown


def test_what_is_as_in_the_row_above_is_shown_once():
    """The words of an expectation, not its findings; a condition of another one is said again."""
    rows = [("a", "one"), ("a", "one"), ("a", "two"), ("b", "two")]
    table = pd.DataFrame(rows, columns=["statement", "condition"])
    table = table.assign(sentence="x", source="y", seq_len=pd.array([25, 50, None, None], "Int64"))
    table = table.assign(
        where=["", "", "3 to 9 tokens", ""], measure="median", options="of final_loss"
    )
    shown = tables.view("expectations", table)
    assert shown["Expectation"].tolist() == ["x", "", "", "x"]
    assert shown["Source"].tolist() == ["y", "", "", "y"]
    assert shown["Where"].tolist() == ["one", "", "two", "two"]
    assert shown["Tokens"].tolist() == ["25", "50", "3 to 9", "–"]
    assert set(shown["Measure"]) == {"median of final loss"}


def test_what_did_not_hold_is_a_table_of_its_own_or_a_sentence():
    expectations = load(ROOT / "workflow/statements/expectations.yaml")
    cells = trained([100] * 6, "lstm_bias_1", 50)
    judged = findings(expectations, run(forget_bias_cells=cells.assign(**synthetic.TRAINED)))
    table = not_held(expectations, judged)
    assert table["statement"].tolist() == ["forget_bias_unsolved"]
    assert "A forget bias of 1" in tables.markdown(tables.not_held(table))
    assert tables.not_held(not_held(expectations, findings(expectations, run()))).startswith("All ")


def test_tables_for_people_read_well():
    cells = pd.concat([timed([0.0012] * 6), timed([NAN], "big", status=["out of memory"])])
    shown = tables.markdown(tables.view("timing", summary(cells, "timing")))
    assert "| 1.2 ms " in shown
    assert "nan" not in shown.lower()
    shown = tables.markdown(tables.view("training", summary(trained([100, NAN, NAN]), "training")))
    assert "more than 500" in shown
    assert "1 of 3 [" in shown
    assert "inf" not in shown.lower()
    shown = tables.markdown(tables.view("ratios", TABLES["ratios"]()))
    assert "| all " in shown and "nan" not in shown and "None" not in shown
    shown = tables.markdown(tables.view("scaling", TABLES["scaling"]()))
    assert "tokens" in shown and "nan" not in shown


def test_the_same_table_in_each_format(tmp_path):
    table = summary(timed([0.1] * 6), "timing")
    paths = [tmp_path / f"timing{suffix}" for suffix in (".csv", ".parquet", ".md")]
    tables.write(table, *paths)
    pd.testing.assert_frame_equal(pd.read_parquet(paths[1]), table)
    read = pd.read_csv(paths[0], keep_default_na=False)
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert paths[2].read_text().count("\n") == 3
    tables.write(table, paths[2], shown=table[["model"]])
    assert paths[2].read_text().split() == ["|", "model", "|", "|:--------|", "|", "lstm", "|"]
    tables.write(table, paths[2], shown="as it is")
    assert paths[2].read_text() == "as it is"
    with pytest.raises(ValueError, match="xlsx"):
        tables.write(table, Path("table.xlsx"))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.seconds(1.5), "1.5 s"),
        (text.seconds(0.00234), "2.34 ms"),
        (text.seconds(3.2e-6), "3.2 µs"),
        (text.seconds(NAN), "–"),
        (text.seconds(INF), "∞"),
        (text.number(0.12345), "0.123"),
        (text.number(12345), "12,345"),
        (text.number(12345.6), "12,346"),
        (text.number(True), "True"),
        (text.number(None), "–"),
        (text.digits(1.0), "1.00"),
        (text.digits(24.0), "24.0"),
        (text.digits(6e-22), "6e-22"),
        (text.digits(12345.6), "12,346"),
        (text.interval(0.42, 0.4, 0.44), "0.420 [0.400, 0.440]"),
        (text.interval(0.42, NAN, NAN), "0.420 [no interval]"),
        (text.interval(0.42, 0.42, 0.42 + 1e-12), "0.420"),  # the same in every run
        (text.interval(NAN, NAN, NAN), "–"),
        (text.seconds_interval(0.002, 0.001, 0.5), "2 ms [1 ms, 500 ms]"),
        (text.steps_interval(350, 300, 400, 500), "350 [300, 400]"),
        (text.steps_interval(INF, 300, INF, 500), "more than 500 [300, more than 500]"),
        (text.share(1.0, 0.54, 1.0, 6), "6 of 6 [54 %, 100 %]"),
        (text.share(NAN, NAN, NAN, 0), "–"),
        (text.tokens(144, 120, 170), "144 [120, 170] tokens"),
        (text.tokens(101, 0, 144), "at or below 144 tokens"),
        (text.tokens(2900, 2500, INF), "at or above 2,500 tokens"),
        (text.tokens(900, 0, INF), "900 [no interval] tokens"),
        (text.tokens(2304, NAN, NAN), "2,304 tokens"),
        (text.equal(NAN, NAN, NAN, "no crossover in range"), "no crossover in range"),
        (text.equal(144, 120, 170, "t on logs, inverted"), "144 [120, 170] tokens"),
        (text.never(INF), "never"),
        (text.never(2304.2), "2,304 tokens"),
        (text.state(1024, 0), "1,024"),
        (text.state(0, 512), "512 per token"),
        (text.state(1024, 512), "1,024 + 512 per token"),
        (text.state(0, 0), "0"),
        (text.state(NAN, NAN), "–"),
        (text.accepted(44.5, 178), "44.5 to 178"),
        (text.accepted(1e-3, INF), "at least 0.001"),
        (text.accepted(-INF, 1e-15), "at most 1e-15"),
        (text.accepted(1152, 4608), "1,152 to 4,608"),
        (text.accepted(NAN, NAN), "–"),
        (text.millions(262_144), "0.262 M"),
        (text.megabytes(2_000_000), "2"),
        (text.percent(0.123), "12 %"),
        (text.scientific(1e-4), "1.0e-04"),
        (text.optional(0), "–"),
        (text.optional(1500), "1,500"),
        (text.length(pd.NA), "all"),
        (text.length(3000), "3,000"),
        (text.total(1, 2), "3"),
        (text.tick(True) + text.tick(False), "✓"),
        (text.quoted("x") + text.bold("y"), "“x”**y**"),
        (text.dash("") + text.dash("1 of 2"), "–1 of 2"),
    ],
)
def test_each_kind_of_quantity_is_written_in_one_way(shown, expected):
    assert shown == expected


def test_a_finding_says_its_confidence_where_it_is_not_the_usual():
    row = {"measure": "ratio", "value": 2.0, "low": 1.5, "high": 3.0, "note": "", "n": 6}
    finding = text.finding(pd.Series(row | {"confidence": 0.99, "limit": NAN}))
    assert finding == "2.00 [1.50, 3.00; 99 %]"
    usual = pd.Series(row | {"confidence": 0.95, "limit": NAN})
    assert text.finding(usual) == "2.00 [1.50, 3.00]"
    noted = pd.Series({**usual, "note": "6 solved"})
    assert text.finding(noted) == "2.00 [1.50, 3.00] (6 solved)"
    missing = pd.Series({**usual, "value": NAN, "note": "timing was not run"})
    assert text.finding(missing) == "timing was not run"
