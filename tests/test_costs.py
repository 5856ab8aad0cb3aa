"""The expected time of what would run, from what such cells took before."""

import pandas as pd
import pytest

from workflow.seqbench.results.costs import OVERHEAD_S, costs, expected, read, sentence


def job(experiment, model, seq_len):
    return {"experiment": experiment, "model": model, "seq_len": str(seq_len), "seed": "0"}


def table(*rows):
    return pd.DataFrame(rows, columns=["experiment", "model", "seq_len", "seconds"]).assign(cells=1)


KNOWN = table(("timing", "lstm", 100, 2.0), ("timing", "lstm", 3000, 8.0), ("recall", "gru", 10, 5))


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
        (job("other", "lstm", 90), (2 + OVERHEAD_S) / 4, 1),  # as the model elsewhere
        (job("other", "new", 9), (5 + OVERHEAD_S) / 4, 1),  # as any model
    ],
)
def test_cells_take_what_such_cells_took(asked, seconds, guesses):
    assert expected([asked], [KNOWN], ["timing"], 4) == (pytest.approx(seconds), guesses)


def test_a_users_own_run_counts_before_the_published_one():
    own = table(("timing", "lstm", 100, 1.0))
    assert expected([job("timing", "lstm", 100)], [own, KNOWN], ["timing"], 2)[0] < 2


def test_the_sentence_says_how_many_are_guessed(tmp_path):
    KNOWN.to_csv(tmp_path / "costs.csv")
    jobs = [job("timing", "lstm", 100), job("timing", "new", 100)]
    text = sentence(jobs, read([tmp_path / "missing.csv", tmp_path / "costs.csv"]), ["timing"], 2)
    assert text.startswith("2 cells, about 5 seconds on 2 cores")
    assert text.endswith("1 of them a guess.")


@pytest.mark.parametrize("jobs", [[], [job("timing", "lstm", 100)]])
def test_nothing_to_do_or_nothing_known_is_no_sentence(jobs, tmp_path):
    assert sentence(jobs, read([tmp_path / "missing.csv"]), [], 2) == ""
