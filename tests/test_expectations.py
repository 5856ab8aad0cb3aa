"""Expectations on synthetic runs of known truth, and the published run against them."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_verdicts import curves, flow, timed, trained
from workflow.seqbench.expectations import EXPECTATIONS, Tables, accepted, for_people, table
from workflow.seqbench.tables import markdown
from workflow.seqbench.tasks.first_token import bag_of_tokens_loss, chance_loss

NAN = math.nan
REFERENCE = Path("results/reference/cpu/tables")
D = 128


def lstm(n):
    return 1e-3 + 1e-5 * n


def encoder_flops(n, feed_forward, layers):
    return layers * (2 * n * (4 * D**2 + 2 * D * feed_forward) + 4 * n**2 * D)


def with_flops(cells, feed_forward, layers, parameters):
    flops = encoder_flops(cells["seq_len"].to_numpy(), feed_forward, layers)
    return cells.assign(flops=flops, parameters=parameters)


def as_expected(**changes):
    """A run in which everything is as expected, but for the tables in `changes`."""
    return Tables(**{k: v.copy() for k, v in run_as_expected().items()} | changes)


@cache
def run_as_expected():
    """The tables of such a run by name."""
    gap = lambda share: lambda n: lstm(n) * (1 + share * n**2 / 3000**2)  # noqa: E731
    original = {"feed_forward": 2048, "layers": 2, "parameters": 1_186_048}
    # As its FLOPs: quadratic from N = 2304 on, and 23 times the LSTM's at 3,000.
    scale = 23 * lstm(3000) / encoder_flops(3000, 2048, 2)
    lengths = (25, 100)
    floors = pd.DataFrame(
        {
            "model": "lstm",
            "seq_len": lengths,
            "chance_loss_nats": [chance_loss(n, 100) for n in lengths],
            "bag_of_tokens_loss_nats": [bag_of_tokens_loss(n, 100) for n in lengths],
        }
    )
    timing = [
        timed(lstm, "lstm").assign(parameters=132_096, flops=1.0),
        with_flops(timed(lambda n: scale * encoder_flops(n, 2048, 2), "transformer"), **original),
        with_flops(timed(gap(7), "transformer_matched"), 254, 1, 131_966),
    ]
    timing = pd.concat(timing)
    timing["cold_s"] *= 5
    decoding = {"lengths": (100, 1000, 4000)}
    recall = [
        trained([NAN] * 6, "lstm", parameters=46_180, final_loss=4.6),
        trained([1500] * 6, "lstm", 10, parameters=46_180, final_loss=0.01),
        trained([1800] * 6, "lstm_chrono", parameters=46_180, final_loss=0.01),
        trained([NAN] * 6, "lstm_forget_bias", parameters=46_180, final_loss=4.6),
        trained([900] * 6, "transformer", parameters=300_452, final_loss=0.01),
    ]
    return {
        "timing_cells": timing,
        "timing_audit_cells": pd.concat(
            timed(law, name, mode="train")
            for name, law in (("lstm", lstm), ("transformer", lambda n: 89 * lstm(n)))
        ),
        "decode_cells": pd.concat(
            [
                timed(lambda n: 1e-4, "lstm", **decoding),
                timed(lambda n: 1e-4 + 1e-7 * n, "transformer_decoder_matched", **decoding),
            ]
        ),
        "recall": floors,
        "recall_cells": pd.concat(recall),
        "recall_curves": curves([50] * 6, "lstm"),
        "recall_audit_cells": trained([300] * 6, "transformer_small"),
        "gradient_flow": pd.concat([flow(1e-25, "lstm"), flow(1e-2, "lstm_chrono")]),
    }


def agrees(tables):
    found = table(tables)
    return dict(zip(found["name"], found["agrees"], strict=True))


def test_a_run_as_expected_agrees_with_every_expectation():
    found = table(as_expected())
    assert found["name"].is_unique and len(found) == len(EXPECTATIONS)
    assert found.loc[found["agrees"] != "yes", ["name", "found"]].to_numpy().tolist() == []
    value = found.set_index("name")["value"]
    assert value["chance"] == pytest.approx(math.log(99))
    assert value["bag_of_tokens"] == pytest.approx(4.031, abs=5e-4)
    assert value["quadratic_flops"] == pytest.approx(2 * D + 2048)
    assert value["quadratic_flops_matched"] == pytest.approx(2 * D + 254)
    assert value["gap_matched"] == pytest.approx(8, rel=0.05)
    assert value["chrono_steps"] == 1800


def changed(name, change):
    """The run as expected with one table changed."""
    return as_expected(**{name: change(getattr(as_expected(), name).copy())})


def scaled(model, column, factor, **where):
    """Multiply a column for the rows of a model (and of some lengths)."""

    def change(frame):
        rows = frame["model"] == model
        for key, value in where.items():
            rows &= frame[key] == value
        frame[column] = frame[column].astype(float) * np.where(rows, factor, 1)
        return frame

    return change


@pytest.mark.parametrize(
    ("name", "change", "expectations"),
    [
        ("recall", lambda t: t.assign(chance_loss_nats=math.log(100)), {"chance"}),
        ("recall", lambda t: t.assign(bag_of_tokens_loss_nats=4.7), {"bag_of_tokens", "no_leak"}),
        ("recall_curves", lambda t: t.assign(train_loss=3.9), {"no_leak"}),
        ("timing_cells", scaled("lstm", "parameters", 2), {"parameters_lstm_speed"}),
        ("timing_cells", scaled("transformer", "time_s", 3, seq_len=3000), {"gap_eval"}),
        ("timing_cells", scaled("transformer_matched", "time_s", 2, seq_len=500), {"tie_500"}),
        ("timing_cells", scaled("lstm", "cold_s", 10), {"cold_call"}),
        ("timing_audit_cells", scaled("transformer", "time_s", 0.2), {"gap_published"}),
        ("decode_cells", scaled("lstm", "time_s", 2, seq_len=4000), {"decode_lstm"}),
        ("recall_cells", scaled("lstm_chrono", "solved_step", 0.1), {"chrono_steps"}),
        ("recall_cells", scaled("lstm_chrono", "solved_step", NAN), {"chrono_solves", "chrono_steps"}),
        ("recall_cells", scaled("lstm", "final_loss", 4 / 4.6, seq_len=100), {"lstm_at_chance"}),
        ("recall_cells", scaled("transformer", "solved_step", 0.5), {"transformer_not_instant"}),
        ("recall_audit_cells", lambda t: t.assign(solved_step=2000.0), {"transformer_small"}),
        (
            "gradient_flow",
            lambda t: pd.concat([flow(1e-5, "lstm"), flow(1e-4, "lstm_chrono")]),
            {"gradient_default", "gradient_chrono"},
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_said(name, change, expectations):
    said = agrees(changed(name, change))
    assert expectations <= {key for key, value in said.items() if value == "no"}


def test_a_transformer_that_is_quadratic_at_once_does_not_agree():
    cells = as_expected().timing_cells
    n = cells["seq_len"].to_numpy(float)
    cells["time_s"] = np.where(cells["model"] == "transformer", 1e-7 * n**2, cells["time_s"])
    assert agrees(as_expected(timing_cells=cells))["quadratic_time"] == "no"


def test_an_lstm_that_is_quadratic_does_not_agree():
    cells = as_expected().timing_cells
    n = cells["seq_len"].to_numpy(float)
    cells["time_s"] = np.where(cells["model"] == "lstm", 1e-7 * n**2, cells["time_s"])
    assert agrees(as_expected(timing_cells=cells))["lstm_linear"] == "no"


@pytest.mark.parametrize("field", Tables._fields)
def test_a_run_without_a_table_has_the_same_rows(field):
    empty = as_expected(**{field: getattr(as_expected(), field).head(0)})
    found = table(empty)
    assert len(found) == len(EXPECTATIONS)
    lacking = found[found["agrees"] == "not in this run"]
    assert len(lacking) and not (found["agrees"] == "no").any()
    assert lacking["value"].isna().all() and (lacking["found"] != "").all()


def test_cells_of_other_sizes_do_not_count():
    cells = as_expected().timing_cells.assign(d_model=32)
    said = agrees(as_expected(timing_cells=cells))
    assert {said[name] for name in ("gap_eval", "lstm_linear", "cold_call")} == {"not in this run"}


def test_unsolved_runs_are_censored():
    cells = as_expected().recall_audit_cells.assign(solved_step=[300, 300, NAN, NAN, NAN, NAN])
    found = table(as_expected(recall_audit_cells=cells)).set_index("name").loc["transformer_small"]
    assert found["agrees"] == "no"
    assert found["found"] == "> 3,000 [300 – > 3,000]"


def test_what_is_accepted_holds_what_is_expected_and_reads_well():
    for expectation in EXPECTATIONS:
        assert expectation.low <= expectation.high, expectation.name
    assert accepted(44.5, 178) == "44.5 – 178"
    assert accepted(1e-3, math.inf) == "at least 0.001"
    assert accepted(-math.inf, 1e-15) == "at most 1e-15"
    assert accepted(0, 0) == "0"
    text = markdown(for_people(table(as_expected())))
    assert len(text.splitlines()) == 2 + len(EXPECTATIONS)
    assert "nan" not in text and "inf" not in text.replace("information", "")


# The published run


@pytest.fixture
def published():
    if not REFERENCE.is_dir():
        pytest.skip("no run is published yet: results/reference/cpu/tables does not exist")
    return Tables(*(pd.read_parquet(REFERENCE / f"{name}.parquet") for name in Tables._fields))


def test_published_run_meets_what_is_exact(published):
    found = table(published)
    exact = found[found["exact"]]
    assert exact.loc[exact["agrees"] != "yes", ["name", "found"]].to_numpy().tolist() == []


def test_published_expectations_are_those_of_the_published_tables(published):
    fresh = table(published)
    committed = pd.read_parquet(REFERENCE / "expectations.parquet")
    pd.testing.assert_frame_equal(fresh, committed)
    assert (REFERENCE / "expectations.md").read_text() == markdown(for_people(fresh))
