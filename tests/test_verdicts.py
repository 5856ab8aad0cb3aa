"""Verdicts on synthetic tables of known truth, and claims.yaml against the project and the original."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import shipped
from workflow.seqbench.rules import RULES, Tables, enough_runs, ratios
from workflow.seqbench.tables import markdown
from workflow.seqbench.verdicts import for_people, judge

CLAIMS = yaml.safe_load(Path("workflow/claims.yaml").read_text())
LENGTHS = (100, 500, 1000, 2000, 3000)
EVAL = {"batch_size": 1, "d_model": 128, "mode": "eval", "calls": "steady"}
REFERENCE = Path("results/reference/cpu/tables")


def timed(law, model, n=6, lengths=LENGTHS, spread=0.01, seed=0, **columns):
    """Timing cells: law(N) with lognormal noise between processes."""
    rng = np.random.default_rng([seed, *model.encode()])
    rows = [
        {"model": model, "seq_len": length, "seed": i, "time_s": law(length) * factor}
        for i in range(n)
        for length, factor in zip(lengths, np.exp(spread * rng.standard_normal(99)), strict=False)
    ]
    frame = pd.DataFrame(rows).assign(**EVAL | columns)
    return frame.assign(cold_s=frame["time_s"], call_memory_bytes=frame["time_s"] * 1e9)


def trained(solved_step, model, seq_len=100, budget=3000, **columns):
    """Recall cells, one a step at which it was solved (NaN: never)."""
    frame = pd.DataFrame({"model": model, "seq_len": seq_len, "seed": range(len(solved_step))})
    settings = {"status": "ok", "budget_steps": budget, "steps": budget, "lr": 0.005}
    settings |= {"d_model": 64, "batch_size": 32, "vocabulary": 100}
    return frame.assign(solved_step=np.array(solved_step, dtype=float), **settings | columns)


def curves(drops, model, seq_len=100, steps=200):
    """Training losses of 4.6 that fall to 0 at a step of each run."""
    parts = [
        pd.DataFrame({"step": range(1, steps + 1), "seed": seed}).assign(
            train_loss=lambda frame, drop=drop: np.where(frame["step"] < drop, 4.6, 0.0)
        )
        for seed, drop in enumerate(drops)
    ]
    return pd.concat(parts).assign(model=model, seq_len=seq_len)


def flow(share, model, seq_len=100, spread=1.0):
    """Gradient before training: 1 at the last position, `share` at the first."""
    position = np.arange(1, seq_len + 1)
    gradient = share ** ((seq_len - position) / (seq_len - 1))
    frame = pd.DataFrame({"position": position, "gradient_median": gradient})
    bounds = {"gradient_min": gradient / spread, "gradient_max": gradient * spread}
    return frame.assign(model=model, seq_len=seq_len, moment="before training", **bounds)


def verdict(rule, tests, thresholds=(), **given):
    """The row of one claim judged on the tables given; the others are empty."""
    empty = {
        "timing_cells": no_times(),
        "timing_audit_cells": no_times(),
        "recall_cells": trained([], "x"),
        "recall_curves": curves([1], "x").head(0),
        "gradient_flow": flow(1, "x").head(0),
    }
    given = {k: pd.concat(v) if isinstance(v, list) else v for k, v in given.items()}
    claim = {"quote": "q", "rule": rule, "says": "s", "tests": tests}
    claims = {"thresholds": CLAIMS["thresholds"] | dict(thresholds), "claims": {"c": claim}}
    return judge(claims, Tables(**empty | given)).iloc[0]


def no_times():
    return timed(lambda n: n, "x").head(0)


TIME = {"table": "timing_cells", "time": "time_s"}
PAIR = {"properly measured": TIME | {"a": "lstm", "b": "other"}}
ONE = {"properly measured": TIME | {"model": "lstm"}}
RUNS = {"properly measured": {"model": "lstm"}}
LINE = lambda n: 1e-3 + 1e-5 * n  # noqa: E731
SQUARE = lambda n: 1e-9 * n**2  # noqa: E731


# faster, somewhere slower


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.5, "supported"), (2, "refuted"), (1, "refuted"), (1.05, "inconclusive")],
)
def test_faster(factor, expected):
    cells = [timed(lambda n: factor * n, "lstm"), timed(lambda n: n, "other")]
    assert verdict("faster", PAIR, timing_cells=cells)["verdict"] == expected


def test_faster_from_some_length_on_is_conditional_and_says_where():
    cells = [timed(lambda n: 1000.0, "lstm"), timed(lambda n: n, "other")]
    row = verdict("faster", PAIR, timing_cells=cells)
    assert row["verdict"] == "conditional"
    assert row["condition"] == (
        "properly measured: holds at 2,000, 3,000 tokens; fails at 100, 500, 1,000 tokens"
    )
    assert re.match(
        r"properly measured, holds at .* tokens: lstm / other: \d+\.\d+ \[.*\] at 100, ",
        row["evidence"],
    )


def test_protocols_that_disagree_are_conditional():
    tests = {"as published": TIME | {"a": "lstm", "b": "other", "table": "timing_audit_cells"}}
    slow = [timed(lambda n: n, "lstm"), timed(lambda n: 2 * n, "other")]
    fast = [timed(lambda n: 2 * n, "lstm"), timed(lambda n: n, "other")]
    row = verdict("faster", tests | PAIR, timing_audit_cells=slow, timing_cells=fast)
    assert row["verdict"] == "conditional"
    assert row["condition"] == "as published: holds | properly measured: fails"
    assert row["tables"] == "timing_audit: lstm, other; timing: lstm, other"
    assert row["shards"] == ", ".join(
        f"{part}/model~{model}/"
        for part in ("timing", "timing_audit")
        for model in ("lstm", "other")
    )
    assert row["reproduce"] == "snakemake --cores 4 audit timing"


def test_two_processes_are_not_enough():
    cells = [timed(lambda n: n, "lstm", n=2), timed(lambda n: 9 * n, "other", n=2)]
    row = verdict("faster", PAIR, timing_cells=cells)
    assert row["verdict"] == "inconclusive"
    assert "not enough runs" in row["evidence"]
    assert row["would_decide"].endswith("3,000 tokens: 3 processes at least")


def test_a_model_that_is_missing_is_named():
    row = verdict("faster", PAIR, timing_cells=timed(lambda n: n, "lstm"))
    assert row["verdict"] == "inconclusive"
    assert row["would_decide"] == "properly measured, this run: lstm and other under timing.models"


def test_cells_made_with_other_settings_do_not_count():
    cells = [timed(lambda n: n, "lstm"), timed(lambda n: 2 * n, "other", mode="train")]
    needs = {"properly measured": PAIR["properly measured"] | {"needs": {"mode": "eval"}}}
    assert verdict("faster", PAIR, timing_cells=cells)["verdict"] == "supported"
    row = verdict("faster", needs, timing_cells=cells)
    assert row["verdict"] == "inconclusive"
    assert row["would_decide"].endswith("with mode eval")


def test_what_would_decide_is_about_right():
    """A ratio 10 % off with a spread of 10 % is cleared of the 5 % margin by some 20 to 25 pairs."""
    cells = [timed(lambda n: 1.1, "lstm"), timed(lambda n: 1.0, "other")]
    noise = np.log(1.1) + 0.1 * np.array([-1.2, -0.6, -0.2, 0.2, 0.6, 1.2])
    half = 2.571 * noise.std(ddof=1) / math.sqrt(6)
    edges = [-math.log(1.05), math.log(1.05)]
    said = enough_runs(math.log(1.1), math.log(1.1) - half, math.log(1.1) + half, 6, edges)
    m = int(re.search(r"about (\d+) processes", said)[1])
    gap = math.log(1.1) - math.log(1.05)
    assert m == pytest.approx((2.07 * noise.std(ddof=1) / gap) ** 2, rel=0.15)
    assert verdict("faster", PAIR, timing_cells=cells)["would_decide"] == ""
    assert "200" in enough_runs(math.log(1.051), 0, 0.1, 6, edges)


def test_somewhere_slower():
    slow = [timed(lambda n: n**2, "lstm"), timed(lambda n: 1000 * n, "other")]
    row = verdict("somewhere_slower", PAIR, timing_cells=slow)
    assert row["verdict"] == "supported"
    assert re.search(r"lstm / other: (2.9|3.0).* at 3,000", row["evidence"])
    fast = [timed(lambda n: n, "lstm"), timed(lambda n: 2 * n, "other")]
    assert verdict("somewhere_slower", PAIR, timing_cells=fast)["verdict"] == "refuted"
    unsure = [timed(lambda n: n, "lstm", spread=0.5), timed(lambda n: n, "other", spread=0.5)]
    assert verdict("somewhere_slower", PAIR, timing_cells=unsure)["verdict"] == "inconclusive"


def test_some_length_is_not_slower_by_chance():
    """At the margin everywhere, "there is a length" is wrong in 2.5 % of runs, not in 12 %."""
    wrong = 0
    for seed in range(60):
        cells = [
            timed(lambda n: 1.05 * n, "lstm", spread=0.05, seed=seed),
            timed(lambda n: n, "other", spread=0.05, seed=seed),
        ]
        wrong += verdict("somewhere_slower", PAIR, timing_cells=cells)["verdict"] == "supported"
    assert wrong / 60 < 0.025 + 2.5 * math.sqrt(0.025 * 0.975 / 60)


# slopes


@pytest.mark.parametrize(
    ("rule", "law", "expected"),
    [
        ("linear", LINE, "supported"),
        ("linear", SQUARE, "refuted"),
        ("linear", lambda n: 1.0, "refuted"),
        ("quadratic", SQUARE, "supported"),
        ("quadratic", LINE, "refuted"),
        ("quadratic", lambda n: n + n**2 / 3000, "inconclusive"),  # slope 1.5
    ],
)
def test_slopes(rule, law, expected):
    row = verdict(rule, ONE, timing_cells=timed(law, "lstm", spread=0.02))
    assert row["verdict"] == expected
    assert "at 3,000" in row["evidence"]


def test_slope_of_a_law_that_does_not_fit_is_undecided():
    cells = timed(lambda n: n * (3 if n == 3000 else 1), "lstm")
    row = verdict("linear", ONE, timing_cells=cells)
    assert row["verdict"] == "inconclusive"
    assert "the fitted law is" in row["evidence"]


def test_slope_needs_three_lengths_and_three_processes():
    cells = timed(LINE, "lstm", lengths=(100, 500))
    row = verdict("linear", ONE, timing_cells=cells)
    assert (row["verdict"], row["would_decide"]) == (
        "inconclusive",
        "properly measured, this run: 3 lengths at least",
    )
    row = verdict("linear", ONE, timing_cells=timed(LINE, "lstm", n=2))
    assert row["verdict"] == "inconclusive"
    assert "3 processes at least" in row["would_decide"]
    assert verdict("linear", ONE)["would_decide"].endswith("lstm under timing.models")


def test_a_length_without_memory_or_time_is_left_out():
    """A call whose memory was not seen has 0 bytes; the longest length that failed has no time."""
    cells = timed(SQUARE, "lstm", lengths=(50, *LENGTHS, 6000))
    cells.loc[cells["seq_len"] == 50, "time_s"] = 0
    cells.loc[(cells["seq_len"] == 6000) & (cells["seed"] == 3), "time_s"] = math.nan
    row = verdict("quadratic", ONE, timing_cells=cells)
    assert row["verdict"] == "supported"
    assert "at 3,000" in row["evidence"]


# training


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        ([20] * 6, "supported"),
        ([150] * 6, "refuted"),
        ([20] * 3 + [150] * 3, "inconclusive"),
        ([20] * 2, "inconclusive"),
    ],
)
def test_loss_zero_immediately(drops, expected):
    given = {"recall_curves": curves(drops, "lstm"), "recall_cells": trained(drops, "lstm")}
    assert verdict("loss_zero_immediately", RUNS, **given)["verdict"] == expected


def test_a_training_that_ended_before_says_nothing_about_later():
    short = {
        "recall_curves": curves([99] * 6, "lstm", steps=30),
        "recall_cells": trained([math.nan] * 6, "lstm"),
    }
    assert verdict("loss_zero_immediately", RUNS, **short)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([math.nan] * 6, "supported"),
        ([2000] * 6, "refuted"),
        ([math.nan] * 5 + [2000], "inconclusive"),
        ([math.nan] * 5, "inconclusive"),  # 5 of 5 show a rate of 48 % at least
    ],
)
def test_fails_to_solve(steps, expected):
    row = verdict("fails_to_solve", RUNS, recall_cells=trained(steps, "lstm"))
    assert row["verdict"] == expected
    within = {"as published": {"model": "lstm", "within": 500}}
    early = verdict("fails_to_solve", within, recall_cells=trained(steps, "lstm"))
    assert early["verdict"] == ("supported" if len(steps) == 6 else "inconclusive")


def test_one_more_seed_would_decide_five_of_five():
    row = verdict("fails_to_solve", RUNS, recall_cells=trained([math.nan] * 5, "lstm"))
    assert row["would_decide"] == "properly measured, 100 tokens: about 6 seeds at this rate"


def test_a_run_out_of_time_has_not_failed():
    cells = trained([math.nan] * 6, "lstm", status="over budget", steps=700)
    assert verdict("fails_to_solve", RUNS, recall_cells=cells)["verdict"] == "inconclusive"
    within = {"as published": {"model": "lstm", "within": 500}}
    assert verdict("fails_to_solve", within, recall_cells=cells)["verdict"] == "supported"
    cells = trained([math.nan] * 6, "lstm", status="diverged", steps=7)
    assert verdict("fails_to_solve", RUNS, recall_cells=cells)["verdict"] == "supported"


def test_a_published_length_is_looked_at_where_it_is():
    cells = [trained([math.nan] * 6, "lstm"), trained([50] * 6, "lstm", seq_len=400)]
    at = {"as published": {"model": "lstm", "at": 100}}
    assert verdict("fails_to_solve", at, recall_cells=cells)["verdict"] == "supported"
    assert verdict("fails_to_solve", RUNS, recall_cells=cells)["verdict"] == "refuted"
    at = {"as published": {"model": "lstm", "at": 200}}
    assert verdict("fails_to_solve", at, recall_cells=cells)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("share", "steps", "expected"),
    [
        (1e-20, [math.nan] * 6, "supported"),  # vanishes, not solved
        (1e-2, [900] * 6, "supported"),  # arrives, solved
        (1e-20, [900] * 6, "refuted"),
        (1e-2, [math.nan] * 6, "refuted"),
        (1e-7, [900] * 6, "inconclusive"),  # the seeds do not agree on whether it vanishes
        (1e-20, [math.nan] * 2, "inconclusive"),
    ],
)
def test_gradient_decides(share, steps, expected):
    given = {
        "recall_cells": trained(steps, "lstm"),
        "gradient_flow": flow(share, "lstm", spread=2),
    }
    assert verdict("gradient_decides", RUNS, **given)["verdict"] == expected


def test_gradient_is_judged_at_each_length():
    given = {
        "recall_cells": [trained([99] * 6, "lstm", 25), trained([math.nan] * 6, "lstm")],
        "gradient_flow": [flow(1e-9, "lstm", 25), flow(1e-20, "lstm")],
    }
    row = verdict("gradient_decides", RUNS, **given)
    assert row["condition"] == "properly measured: holds at 100 tokens; fails at 25 tokens"


@pytest.mark.parametrize(
    ("near", "far", "expected"),
    [
        ([200] * 6, [250] * 6, "supported"),
        ([200] * 6, [900] * 6, "refuted"),
        ([200] * 6, [math.nan] * 6, "refuted"),  # unsolved is farther than any factor
        ([200] * 6, [250] * 3 + [900] * 3, "inconclusive"),
        ([200] * 2, [200] * 2, "inconclusive"),
    ],
)
def test_distance_does_not_matter(near, far, expected):
    cells = [trained(near, "lstm", 25), trained(far, "lstm")]
    row = verdict("distance_does_not_matter", RUNS, recall_cells=cells)
    assert row["verdict"] == expected
    assert "25 to 100 tokens" in row["condition"] or not row["condition"]
    assert verdict("distance_does_not_matter", RUNS)["verdict"] == "inconclusive"


# thresholds, rows, reading


@pytest.mark.parametrize(
    ("threshold", "value", "rule", "tests", "given"),
    [
        ("margin", 9, "faster", PAIR, {"timing_cells": [timed(LINE, "lstm"), timed(lambda n: 2 * LINE(n), "other")]}),
        ("linear_slope", [1.5, 2], "linear", ONE, {"timing_cells": timed(LINE, "lstm")}),
        ("quadratic_slope", 2.5, "quadratic", ONE, {"timing_cells": timed(SQUARE, "lstm")}),
        ("success_rate", 0.9, "fails_to_solve", RUNS, {"recall_cells": trained([math.nan] * 6, "lstm")}),
        (
            "immediately",
            10,
            "loss_zero_immediately",
            RUNS,
            {"recall_curves": curves([20] * 6, "lstm"), "recall_cells": trained([20] * 6, "lstm")},
        ),
        (
            "distance_factor",
            1.1,
            "distance_does_not_matter",
            RUNS,
            {"recall_cells": [trained([200] * 6, "lstm", 25), trained([250] * 6, "lstm")]},
        ),
        (
            "vanished",
            1e-30,
            "gradient_decides",
            RUNS,
            {"recall_cells": trained([math.nan] * 6, "lstm"), "gradient_flow": flow(1e-20, "lstm")},
        ),
    ],
)  # fmt: skip
def test_a_changed_threshold_changes_the_verdict(threshold, value, rule, tests, given):
    assert verdict(rule, tests, **given)["verdict"] == "supported"
    assert verdict(rule, tests, {threshold: value}, **given)["verdict"] != "supported"


def tiny(**columns):
    """Tables as of a smoke run: two seeds, no lstm_chrono, no transformer_sdpa_matched."""
    models = ("lstm", "transformer", "transformer_matched")
    settings = {"lengths": (50, 200), "n": 2, "d_model": 32}
    recall = [
        trained([math.nan] * 2, model, seq_len, 60, d_model=32)
        for model in models
        for seq_len in (4, 8)
    ]
    return Tables(
        timing_cells=pd.concat([timed(LINE, m, **settings) for m in models]),
        timing_audit_cells=pd.concat(
            [timed(LINE, m, mode="train", **settings) for m in models[:2]]
        ),
        recall_cells=pd.concat(recall),
        recall_curves=pd.concat([curves([99] * 2, m, 8, 60) for m in models]),
        gradient_flow=pd.concat([flow(1e-3, m, n) for m in models for n in (4, 8)]),
    )


def test_a_smoke_run_has_every_row_and_decides_nothing():
    verdicts = judge(CLAIMS, tiny())
    assert list(verdicts["claim"]) == list(CLAIMS["claims"])
    assert set(verdicts["verdict"]) == {"inconclusive"}
    assert (verdicts["would_decide"] != "").all()


def test_a_row_leads_to_tables_shards_and_command():
    config = shipped()
    for row in judge(CLAIMS, tiny()).itertuples():
        for table in row.tables.split("; "):
            name, models = table.split(": ")
            assert name in (*config, "recall_curves", "distance", "gradient_flow")
            assert set(models.split(", ")) <= set(config["models"])
        for folder in row.shards.split(", "):
            experiment, model = re.fullmatch(r"(\w+)/model~(\w+)/", folder).groups()
            assert model in config[experiment]["models"]
        targets = row.reproduce.removeprefix("snakemake --cores 4 ").split()
        assert set(targets) <= set(config["targets"])


def test_the_table_for_people_is_short():
    text = markdown(for_people(judge(CLAIMS, tiny())))
    assert len(text.splitlines()) == 2 + len(CLAIMS["claims"])
    assert "nan" not in text
    assert "<br>" in text
    row = verdict("faster", PAIR, timing_cells=[timed(lambda n: n, "lstm"), timed(lambda n: 2 * n, "other")])  # fmt: skip
    assert len(row["evidence"]) < 200


# claims.yaml


def test_claims_name_what_exists():
    config = shipped()
    for claim in CLAIMS["claims"].values():
        assert claim["rule"] in RULES
        assert set(claim) == {"quote", "rule", "says", "tests"}
        for test in claim["tests"].values():
            experiment = test.get("table", "recall_cells").removesuffix("_cells")
            assert test.get("table", "recall_cells") in Tables._fields
            named = {test[key] for key in ("a", "b", "model") if key in test}
            assert named and named <= set(config[experiment]["models"])
            # The published run is made as each test needs it.
            needs = {k: v for k, v in test.get("needs", {}).items() if k != "lr"}
            assert needs == {key: config[experiment][key] for key in needs}
            if "lr" in test.get("needs", {}):
                rate = (
                    config["models"][test["model"]]
                    .get("recall", {})
                    .get("lr", config["recall"]["lr"])
                )
                assert rate == test["needs"]["lr"]
            assert (
                test.get("at", config[experiment]["seq_lens"][0]) in config[experiment]["seq_lens"]
            )
    assert {claim["rule"] for claim in CLAIMS["claims"].values()} == set(RULES)


def test_quotes_stand_in_the_originals_readme():
    lines = Path("workflow/original/readme.txt").read_text().splitlines()
    assert "https://github.com/Rishabh23112/RNN_vs_Transformers" in lines[1]
    text = " ".join(lines[2:])
    for name, claim in CLAIMS["claims"].items():
        at = 0
        for part in filter(None, (part.strip() for part in claim["quote"].split("[...]"))):
            assert part in text[at:], f"{name}: {part}"
            at = text.index(part, at) + len(part)


# A/A, and the published run


def test_two_names_for_one_model_differ_in_no_more_cells_than_chance_has_it():
    """1,500 synthetic cells: the ratio's interval holds 1 in 95 %, and 2.5 % at most are judged."""
    rng, lengths, frames = np.random.default_rng(1), range(100, 1600), []
    for model in ("lstm", "other"):
        noise = np.exp(0.04 * rng.standard_normal((6, len(lengths))))
        frame = pd.DataFrame(noise, columns=lengths).melt(var_name="seq_len", value_name="time_s")
        frames.append(frame.assign(model=model, seed=frame.groupby("seq_len").cumcount()))
    tables = Tables(pd.concat(frames), *[None] * 4)
    found = ratios(tables, PAIR["properly measured"], CLAIMS["thresholds"])
    bounds = np.array([re.search(r"\[(.*), (.*)\]", said).groups() for _, _, said, _ in found])
    low, high = bounds.astype(float).T
    held = np.mean((low <= 1) & (high >= 1))
    assert len(found) == 1500
    assert held > 0.95 - 2 * math.sqrt(0.05 * 0.95 / 1500)
    assert np.mean([kind in ("faster", "slower") for _, kind, _, _ in found]) < 0.025


def test_published_verdicts_are_those_of_the_published_tables():
    if not REFERENCE.is_dir():
        pytest.skip("no run is published yet: results/reference/cpu/tables does not exist")
    tables = Tables(*(pd.read_parquet(REFERENCE / f"{name}.parquet") for name in Tables._fields))
    fresh = judge(CLAIMS, tables)
    pd.testing.assert_frame_equal(fresh, pd.read_parquet(REFERENCE / "verdicts.parquet"))
    assert (REFERENCE / "verdicts.md").read_text() == markdown(for_people(fresh))
