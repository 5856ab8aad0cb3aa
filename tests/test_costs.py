"""The expected time of what would run, from what such cells took before."""

import pandas as pd
import pytest

from tests.conftest import SMOKE, shipped
from workflow.seqbench.config import check
from workflow.seqbench.results import costs as module
from workflow.seqbench.results.costs import OVERHEAD_S, costs, expected, read, sentence


def job(experiment, model, seq_len):
    return {"experiment": experiment, "model": model, "seq_len": str(seq_len), "seed": "0"}


def table(*rows):
    return pd.DataFrame(rows, columns=["experiment", "model", "seq_len", "seconds"]).assign(cells=1)


KNOWN = table(
    ("timing", "lstm", 100, 2.0),
    ("timing", "lstm", 3000, 8.0),
    ("recall", "gru", 10, 5),
    ("recall", "lstm", 100, 60),
)


def test_a_cost_is_the_median_over_seeds():
    cells = pd.DataFrame({"experiment": "timing", "model": "lstm", "seq_len": [10, 10, 10, 20]})
    rows = costs(cells.assign(cell_s=[1.0, 2.0, 9.0, 4.0]))
    assert rows[["seq_len", "seconds", "cells"]].to_numpy().tolist() == [[10, 2, 3], [20, 4, 1]]


@pytest.mark.parametrize(
    "asked, seconds, guesses",
    [
        (job("timing", "lstm", 100), 2 + OVERHEAD_S, 0),
        (job("recall", "gru", 10), (5 + OVERHEAD_S) / 4, 0),  # four side by side
        (job("timing", "lstm", 2500), 8 + OVERHEAD_S, 1),  # as the nearest length
        (job("other", "lstm", 9), (60 + OVERHEAD_S) / 4, 1),  # as the model in another training
        (job("other", "new", 9), (5 + OVERHEAD_S) / 4, 1),  # as any model that is trained
        (job("timing", "new", 9), 2 + OVERHEAD_S, 1),  # as any that is timed
    ],
)
def test_cells_take_what_such_cells_took(asked, seconds, guesses):
    assert expected([asked], [KNOWN], ["timing"], 4) == (pytest.approx(seconds), guesses)


def test_a_users_own_run_counts_before_the_published_one():
    own = table(("timing", "lstm", 100, 1.0))
    assert expected([job("timing", "lstm", 100)], [own, KNOWN], ["timing"], 2)[0] < 2


@pytest.fixture
def earlier(tmp_path):
    """The folder of a run with the tables of two experiments, one of them made on demand, and a damaged one."""
    (tmp_path / "tables").mkdir()
    for name, rows in KNOWN.groupby("experiment"):
        cells = rows.rename(columns={"seconds": "cell_s"})
        cells.to_parquet(tmp_path / f"tables/{name}_cells.parquet")
    (tmp_path / "tables/decode_cells.parquet").write_text("damaged")
    return tmp_path


def test_the_sentence_says_how_many_are_guessed(earlier):
    jobs = [job("timing", "lstm", 100), job("timing", "new", 100)]
    known = read([earlier / "missing", earlier])
    text = sentence(jobs, known, ["timing"], 2)
    assert text.startswith("2 cells, about 5 seconds on 2 cores")
    assert text.endswith("1 of them a guess.")
    assert sentence([job("recall", "gru", 10)], known, ["timing"], 2).endswith("took before.")


@pytest.mark.parametrize("jobs", [[], [job("timing", "lstm", 100)]])
def test_nothing_to_do_or_nothing_known_is_no_sentence(jobs, tmp_path):
    assert sentence(jobs, read([tmp_path]), [], 2) == ""


# What the full run adds.


@pytest.fixture
def default(monkeypatch):
    """The plan of the default run and the digests of its shards, which are all there is."""
    plan = check(shipped(), local=False)
    done = {shard: cell["asked"] for shard, cell in module.cells_of(plan).items()}
    monkeypatch.setattr(module.sealing, "asked_of", done.get)
    return plan, done


def test_after_the_default_run_it_is_told_what_the_full_run_adds(default):
    plan, done = default
    full = check(shipped(module.FULL), local=False)
    added = sum(len(full.cells(name)) for name in full.names(on_demand=False)) - len(done)
    text = module.full_run(plan, [KNOWN], 2)
    assert text.startswith(f"The full run adds {added} cells, about ")
    assert text.endswith(f" minutes on 2 cores: make run CONFIG={module.FULL}")
    done.pop(min(done))  # one is lacking
    assert module.full_run(plan, [KNOWN], 2) == ""


@pytest.mark.parametrize("preset", [module.FULL, SMOKE, {"base_seed": 1}], ids=str)
def test_nothing_is_told_after_the_full_run_or_one_that_it_does_not_continue(default, preset):
    plan = check(shipped(preset), local=False)
    default[1].update({shard: cell["asked"] for shard, cell in module.cells_of(plan).items()})
    assert module.full_run(plan, [KNOWN], 2) == ""
