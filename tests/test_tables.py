"""Aggregation of cells with a known answer."""

import math

import numpy as np
import pandas as pd
import pytest
from workflow.seqbench.recall import table as recall
from workflow.seqbench.timing import table as timing

from workflow.seqbench import tables

NAN = math.nan


def timed(times, model="lstm", seq_len=100, status=None, flags=None, **columns):
    """Timing cells of one (model, seq_len): one for each time."""
    n = len(times)
    return pd.DataFrame(
        {
            "model": model,
            "seq_len": seq_len,
            "seed": range(n),
            "status": status or ["ok"] * n,
            "time_s": times,
            "samples_s": [np.full(10, time) for time in times],
            "cold_s": np.multiply(times, 3.0),
            "calibration_s": 0.5,
            "tokens": seq_len,
            "flops": 4_000_000_000,
            "parameters": 1000,
            "call_memory_bytes": 2_000_000,
            "peak_memory_bytes": 300_000_000,
            "flags": flags or [[]] * n,
        }
        | columns
    )


def trained(solved_step, model="lstm", seq_len=100, status=None, **columns):
    """Recall cells of one (model, seq_len): one for each step at which it was solved (or NaN)."""
    n = len(solved_step)
    return pd.DataFrame(
        {
            "model": model,
            "architecture": "lstm",
            "seq_len": seq_len,
            "seed": range(n),
            "status": status or ["ok"] * n,
            "task": "first_token",
            "vocabulary": 100,
            "budget_steps": 500,
            "solved_step": np.array(solved_step, dtype=float),
            "solved_s": np.array(solved_step, dtype=float) / 100,
            "final_loss": np.linspace(1, 2, n),
            "final_accuracy": np.linspace(0.2, 1, n),
            "step_s": 0.01,
            "lr": 0.005,
            "parameters": 1000,
            "core_parameters": 800,
            "flags": [[]] * n,
            "train_loss": [np.array([4.6, 4.5]) for _ in range(n)],
        }
        | columns
    )


def only(table):
    assert len(table) == 1
    return table.iloc[0]


def test_one_row_per_model_and_length_in_the_order_of_the_config():
    cells = pd.concat([timed([1.0, 2.0], m, n) for m in ("b", "a") for n in (500, 100)])
    table = timing.table(cells.sort_values("seed", kind="stable"))
    assert list(zip(table["model"], table["seq_len"], strict=True)) == [
        ("b", 500),
        ("b", 100),
        ("a", 500),
        ("a", 100),
    ]


def test_timing_of_six_processes():
    """n = 6 is the least for an interval from order statistics: it spans all six."""
    row = only(timing.table(timed([0.1, 0.2, 0.3, 0.5, 0.6, 2.0])))
    assert row["n"] == row["ok"] == 6
    assert row["time_median_s"] == pytest.approx(0.4)
    assert (row["time_low_s"], row["time_high_s"]) == (0.1, 2.0)
    assert row["interval"] == "order statistics"
    assert row["cold_median_s"] == pytest.approx(1.2)
    assert row["tokens_per_s"] == pytest.approx(250)
    assert row["gflops_per_s"] == pytest.approx(10)
    assert row["time_calibrated_median"] == pytest.approx(0.8)
    assert row["parameters"] == 1000
    assert row["peak_memory_bytes"] == 300_000_000


def test_fewer_processes_say_how_their_interval_was_made():
    row = only(timing.table(timed([1.0, 1.0, 4.0])))
    # Logs 0, 0, ln 4: mean 0.4621, standard error 0.4621, and t(0.975, 2) is 4.3027.
    assert row["interval"] == "t on logs"
    assert row["time_low_s"] == pytest.approx(math.exp(0.46210 * (1 - 4.30265)), rel=1e-3)
    assert row["time_high_s"] == pytest.approx(math.exp(0.46210 * (1 + 4.30265)), rel=1e-3)
    row = only(timing.table(timed([1.0, 4.0])))
    assert row["interval"] == "not enough runs (n = 2)"
    assert math.isnan(row["time_low_s"])
    assert math.isnan(row["time_high_s"])


def test_failed_cells_are_counted_and_have_no_time():
    status = ["ok", "out of memory", "over budget", "ok", "ok"]
    row = only(timing.table(timed([1.0, NAN, NAN, 2.0, 3.0], status=status)))
    assert (row["n"], row["ok"], row["out_of_memory"], row["over_budget"]) == (3, 3, 1, 1)
    assert row["time_median_s"] == 2.0
    row = only(timing.table(timed([NAN, NAN], status=["out of memory"] * 2, tokens=NAN)))
    assert (row["n"], row["out_of_memory"]) == (0, 2)
    assert math.isnan(row["time_median_s"])


def test_flags_are_counted():
    flags = [["busy machine"], ["busy machine", "not steady"], []]
    row = only(timing.table(timed([1.0, 1.0, 1.0], flags=flags)))
    assert row["flags"] == "busy machine 2/3; not steady 1/3"
    assert only(timing.table(timed([1.0])))["flags"] == ""


def test_recall_of_five_seeds():
    row = only(recall.table(trained([100, 200, 300, NAN, NAN])))
    assert (row["n"], row["solved"]) == (5, 3)
    # Clopper and Pearson for 3 of 5.
    assert (row["solved_low"], row["solved_high"]) == pytest.approx((0.1466, 0.9473), abs=1e-4)
    assert row["steps_to_solve_median"] == 300
    assert row["seconds_to_solve_median_s"] == 3
    assert row["final_loss_median_nats"] == 1.5
    assert row["final_accuracy_min"] == pytest.approx(0.2)
    assert row["final_accuracy_max"] == pytest.approx(1)
    assert row["chance_loss_nats"] == pytest.approx(4.595, abs=1e-3)
    assert row["bag_of_tokens_loss_nats"] == pytest.approx(4.031, abs=1e-3)


@pytest.mark.parametrize(
    ("steps", "median"),
    [
        ([100, 200, NAN, NAN], math.inf),  # half are unsolved
        ([100, NAN, NAN], math.inf),
        ([NAN], math.inf),
        ([100, 200, 300, NAN], 250),
        ([300, 100, NAN], 300),
    ],
)
def test_a_run_that_is_not_solved_counts_as_infinity(steps, median):
    row = only(recall.table(trained(steps)))
    assert row["steps_to_solve_median"] == median


def test_all_solved_shows_a_rate_of_about_half_at_least():
    row = only(recall.table(trained([100] * 5)))
    assert row["solved_low"] == pytest.approx(0.478, abs=1e-3)
    assert row["solved_high"] == 1


def test_statuses_of_recall_are_counted_and_every_run_stays():
    status = ["ok", "diverged", "over budget"]
    row = only(recall.table(trained([100, NAN, NAN], status=status, final_loss=[0.1, NAN, 4.0])))
    assert (row["n"], row["ok"], row["diverged"], row["over_budget"]) == (3, 1, 1, 1)
    assert row["solved"] == 1
    assert row["steps_to_solve_median"] == math.inf


def test_curves_have_a_row_for_each_step():
    curves = recall.curves(trained([100, NAN]))
    assert curves[["seed", "step"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert curves["train_loss"].tolist() == pytest.approx([4.6, 4.5, 4.6, 4.5])


def test_scalars_leave_lists_out():
    kept = tables.scalars(trained([100, NAN]))
    assert "train_loss" not in kept
    assert "model" in kept


def test_tables_for_people_read_well():
    cells = pd.concat([timed([0.0012] * 6), timed([NAN], "big", status=["out of memory"])])
    text = tables.markdown(timing.for_people(timing.table(cells)))
    assert "1.2 ms" in text
    assert "nan" not in text.lower()
    text = tables.markdown(recall.for_people(recall.table(trained([100, NAN, NAN]))))
    assert "> 500" in text
    assert "1 of 3" in text
    assert "inf" not in text.lower()


def test_the_same_table_in_each_format(tmp_path):
    table = timing.table(timed([0.1] * 6))
    paths = [tmp_path / f"timing{suffix}" for suffix in (".csv", ".parquet", ".md")]
    tables.write_table(table, *paths)
    pd.testing.assert_frame_equal(pd.read_parquet(paths[1]), table)
    pd.testing.assert_frame_equal(
        pd.read_csv(paths[0], keep_default_na=False), table, check_dtype=False
    )
    assert paths[2].read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.5 s"), (0.00234, "2.34 ms"), (3.2e-6, "3.2 µs"), (NAN, "–"), (math.inf, "∞")],
)
def test_seconds_have_the_unit_that_reads_best(value, text):
    assert tables.seconds(value) == text
