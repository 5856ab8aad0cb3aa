"""One quantity has one value: a walk over every table of a run, from shards to verdicts.

A quantity is a measure of a column, of models in an experiment, at a length, with its options. It
may stand in several tables and in the words of a verdict; its value must be the same everywhere,
and so must its interval at one confidence.
"""

import math
import re
import shutil
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.synthetic import NAN, timed
from workflow.scripts import (
    comparison_tables,
    distance_table,
    experiment_tables,
    judge,
    position_tables,
)
from workflow.seqbench.judging.statements import load
from workflow.seqbench.results import comparisons, measures, shards, summaries
from workflow.seqbench.results.costs import RUNS
from workflow.seqbench.results.schemas import columns, schema
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import page, text

STATEMENTS = ("claims", "causes", "expectations", "audit", "answers", "recall_answers")
CLAIMS = ROOT / "workflow/statements/claims.yaml"
PUBLISHED = sorted(
    path
    for path in ROOT.glob("results/reference/*/tables")
    if (path / "findings.parquet").is_file()
)


class Place(NamedTuple):
    """Where a quantity stands, and as what; bounds of None where only the value is given."""

    where: str
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    rounding: float = 1e-9  # relative
    floor: float = 0.0  # absolute


# A run


def line(n):
    return 1e-3 + 1e-5 * n


def encoder(n):
    return 2e-3 + 2e-5 * n + 1e-8 * n**2


TIMES = {
    "timing": {
        "lstm": line,
        "transformer": encoder,
        "transformer_matched": lambda n: 0.4 * encoder(n),
        "transformer_sdpa_matched": lambda n: 0.3 * encoder(n),
    },
    "timing_original": {"lstm": line, "transformer": lambda n: 3 * encoder(n)},
    "timing_audit": {"transformer": lambda n: 3 * encoder(n)},
    "decode": {"lstm": lambda n: 1e-4, "transformer_decoder_matched": lambda n: 1e-4 + 1e-7 * n},
}
SETTINGS = {
    "timing": {"n": 6},
    "timing_original": {"n": 6, "mode": "train", "calls": "cold"},
    "timing_audit": {"n": 4, "mode": "train"},
    "decode": {"n": 3, "lengths": (100, 1000, 4000), "workload": "decode"},
}
STEPS = {
    "recall": {
        ("lstm", 25): [900, 1000, NAN, NAN, NAN, NAN],
        ("lstm", 100): [NAN] * 6,
        ("lstm_chrono", 25): [300, 350, 350, 400, 425, 450],
        ("lstm_chrono", 100): [700, 750, 900, 950, 990, NAN],
        ("transformer", 25): [175, 200, 225, 225, 250, 275],
        ("transformer", 100): [NAN, NAN, NAN, 700, 900, 950],
        ("transformer_matched", 25): [75, 100, 100, 125, 125, 125],
        ("transformer_matched", 100): [150, 175, 200, 200, 225, 250],
    },
    "recall_original": {("lstm", 100): [NAN] * 6, ("transformer", 100): [400, *[NAN] * 5]},
    "recall_audit": {
        ("transformer_no_dropout", 100): [450, 475, 500, 600],
        ("transformer_small", 100): [250, 275, 300, 300],
    },
    "readout": {
        ("transformer_last", 25): [500, 525, 600, 650, 700, NAN],
        ("transformer_matched", 25): [75, 100, 100, 125, 125, 150],
        ("transformer_last", 100): [NAN] * 6,
        ("transformer_matched", 100): [150, 175, 200, 200, 225, 250],
    },
    "forget_bias_batch8": {("lstm_bias_2", 25): [800, 850, 900, 900, 950, 975]},
    "forget_bias_batch128": {("lstm_bias_2", 25): [200, 225, 250, 250, 275, 300]},
}
BUDGET = 1000


def example(kind):
    """A row with something in every column that may not be empty."""
    values = {"text": "x", "whole": 1, "number": 0.5, "flag": False}
    values |= {"texts": [], "wholes": [], "numbers": [], "matrix": [[1e-9, 1.0], [1.0, 1.0]]}
    return {
        name: limit[0] if isinstance(limit, list) else values[type_]
        for name, (type_, _, optional, limit) in columns(kind).items()
        if not optional
    }


def timing_rows(experiment):
    settings = SETTINGS[experiment] | {
        "spread": 0.03,
        "reference": TIMES[experiment].get("lstm", line),
    }
    for seed, (model, law) in enumerate(TIMES[experiment].items()):
        frame = timed(law, model, seed=seed, **settings)
        frame["cold_s"] *= 5
        frame["calibration_s"] = 0.01 * np.exp(0.1 * np.sin(np.arange(len(frame))))
        frame["call_ram_bytes"] = (1e9 * frame["time_s"]).astype(int)
        for row in frame.to_dict("records"):
            more = {"samples_s": [row["time_s"]] * 4, "tokens": row["seq_len"], "flops": 1000}
            yield row | more | {"parameters": 132096}


def training_rows(experiment):
    rng = np.random.default_rng(0)
    for (model, seq_len), solved in STEPS[experiment].items():
        for seed, solved_step in enumerate(solved):
            unsolved = math.isnan(solved_step)
            steps = BUDGET if unsolved else int(solved_step) + 50
            drop = np.arange(steps) > solved_step - 20
            share, last = (1e-20 if model == "lstm" else 1e-2) * (1 + seed**2), 2.0 ** (seed % 3)
            yield {
                "model": model,
                "seq_len": seq_len,
                "seed": seed,
                "task": "first_token",
                "steps": steps,
                "budget_steps": BUDGET,
                "lr": 0.002 if model == "lstm_chrono" else 0.005,
                "train_loss": (np.where(drop, 0.02, 4.7) + 0.01 * rng.random(steps)).tolist(),
                "gradient_share_initial": share,
                "gradient_flow": [[share * last, last / 2, last]] * 3,
                "solved_step": None if unsolved else int(solved_step),
                "solved_s": None if unsolved else solved_step / 100,
                "final_loss": (4.6 if unsolved else 0.01) * (1 + 0.01 * seed**2),
                "final_accuracy": 0.01 if unsolved else 1.0,
                "bag_of_tokens_loss_nats": 4.031,
                **{"d_model": 64, "batch_size": 32, "vocabulary": 100},
            }


def make_shards(folder, experiment, kind):
    """Shards of an experiment; their paths and cells."""
    rows = {"timing": timing_rows, "training": training_rows}[kind](experiment)
    known, paths, cells = set(columns(kind)), [], []
    for row in rows:
        row = example(kind) | {key: value for key, value in row.items() if key in known}
        row |= {"experiment": experiment, "status": "ok"}
        cells.append({key: row[key] for key in ("model", "seq_len", "seed")})
        paths.append(folder / experiment / f"{len(paths)}.parquet")
        shards.write(row, schema(kind, experiment), paths[-1], {})
    return paths, cells


def files(folder, name, *suffixes):
    return [folder / f"{name}{suffix}" for suffix in suffixes or (".csv", ".parquet", ".md")]


def compare_models(folder, experiments=tuple(TIMES)):
    cells = [folder / f"{name}_cells.parquet" for name in experiments]
    tables = files(folder, "ratios"), files(folder, "scaling")
    comparison_tables.main(cells, experiments, 0.05, *tables)


def judge_all(folder, tables, statements=ROOT / "workflow/statements"):
    """Judge the tables of cells and curves in a folder; the results go to another one."""
    cells = [*tables.glob("*_cells.parquet"), *tables.glob("*_curves.parquet")]
    judge.main(
        [statements / f"{name}.yaml" for name in STATEMENTS],
        [path for path in cells if not path.name.startswith("tuning")],
        sorted((ROOT / "workflow/original").glob("*.csv")),
        files(folder, "findings", ".csv", ".parquet"),
        [path for name in ("verdicts", *STATEMENTS[1:]) for path in files(folder, name)],
    )


def make_tables(folder, experiment, kind, paths, cells):
    lists = {"timing": "samples", "training": "curves"}[kind]
    more = (folder / f"{experiment}_{part}.parquet" for part in ("cells", lists))
    tables = files(folder, experiment)
    page = folder / f"{experiment}.html"
    experiment_tables.main(paths, experiment, kind, cells, len(cells), *tables, page, *more)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Folder of all tables of a run, made by the scripts of the workflow from shards."""
    folder = tmp_path_factory.mktemp("run")
    tables = folder / "tables"
    tables.mkdir()
    kinds = dict.fromkeys(TIMES, "timing") | dict.fromkeys(STEPS, "training")
    for experiment, kind in kinds.items():
        paths, cells = make_shards(folder, experiment, kind)
        make_tables(tables, experiment, kind, paths, cells)
        if experiment == "recall":
            positions = (files(tables, name) for name in ("gradient_flow", "attention"))
            position_tables.main(paths, experiment, cells, *positions)
    names = files(tables, "distance", ".csv", ".parquet", ".md", ".html")
    distance_table.main(tables / "recall.parquet", *names)
    compare_models(tables)
    judge_all(tables, tables)
    return tables


@pytest.fixture
def tables(published, tmp_path):
    """A copy of them, to change."""
    return shutil.copytree(published, tmp_path / "tables")


# The walk


def walk(folder):
    """{quantity: its places} over every table in a folder."""
    places = {}
    parts = summaries_in, comparisons_in, judged_in, fairness_in, page_in, published_in
    for quantity, place in (found for part in parts for found in part(folder)):
        quantity, place = canonical(quantity, place)
        places.setdefault(quantity, []).append(place)
    return places


def canonical(quantity, place):
    """A ratio the other way round is the same quantity."""
    if quantity[0] not in ("ratio", "mean_ratio", "crossing"):
        return quantity, place
    measure, of, experiment, models, *rest = quantity
    if models == tuple(sorted(models)):
        return quantity, place
    if measure != "crossing":  # a crossing has no direction
        value, low, high = (x and 1 / x for x in (place.value, place.high, place.low))
        place = place._replace(value=value, low=low, high=high)
    return (measure, of, experiment, tuple(sorted(models)), *rest), place


MEDIANS = {
    "time_s": ["time_median_s", "time_low_s", "time_high_s"],
    "cold_s": ["cold_median_s", "cold_low_s", "cold_high_s"],
    "time_calibrated": [f"time_calibrated_{x}" for x in ("median", "low", "high")],
    "call_ram_bytes": ["call_ram_bytes"],
    "final_loss": [f"final_loss_{x}_nats" for x in ("median", "low", "high")],
    "gradient_share_initial": ["gradient_share_median"],
    "lr": ["lr"],
    "parameters": ["parameters"],
    "budget_steps": ["budget_steps"],
}
OTHERS = {
    "solved_share": ["solved_share", "solved_low", "solved_high"],
    "steps_to_solve": [f"steps_to_solve_{x}" for x in ("median", "low", "high")],
}


def summaries_in(folder):
    """Tables of the experiments, those of several, and the share of the gradient that arrives."""
    names = [path.stem.removesuffix("_cells") for path in folder.glob("*_cells.parquet")]
    for name in [*names, "distance", *(path.stem for path in folder.glob("read_outs.parquet"))]:
        table = pd.read_parquet(folder / f"{name}.parquet")
        if "chosen" in table:
            continue  # of a sweep nothing else is said
        experiment = "recall" if name == "distance" else name
        given = [("median", of, keys) for of, keys in MEDIANS.items()]
        given += [(measure, "", keys) for measure, keys in OTHERS.items()]
        for row, (measure, of, keys) in product(table.to_dict("records"), given):
            if keys[0] in row:
                made_in = row.get("experiment", experiment)
                quantity = (measure, of, made_in, (row["model"],), row["seq_len"], "")
                yield quantity, Place(f"{name}.parquet", *(row[key] for key in keys))
    flow = pd.read_parquet(folder / "gradient_flow.parquet")
    first = flow[(flow["position"] == 1) & (flow["moment"] == "before training")]
    for row in first.to_dict("records"):
        of = "gradient_share_initial", "recall", (row["model"],), row["seq_len"], ""
        yield ("median", *of), Place("gradient_flow.parquet", row["gradient_median"])


def comparisons_in(folder):
    """Tables `ratios` and `scaling`."""
    for row in pd.read_parquet(folder / "ratios.parquet").to_dict("records"):
        models, whole = (row["model"], row["relative_to"]), pd.isna(row["seq_len"])
        bounds = (row[key] for key in ("ratio", "ratio_low", "ratio_high"))
        place = Place("ratios.parquet", *bounds)
        length = None if whole else int(row["seq_len"])
        measure = "mean_ratio" if whole else "ratio"
        yield (measure, "time_s", row["experiment"], models, length, ""), place
        if whole:
            bounds = (row[key] for key in ("equal_at", "equal_low", "equal_high"))
            quantity = ("crossing", "time_s", row["experiment"], models, None, "")
            yield quantity, Place("ratios.parquet, equal", *bounds)
    for row in pd.read_parquet(folder / "scaling.parquet").to_dict("records"):
        of = ("time_s", row["experiment"], (row["model"],), None, "")
        bounds = (row[key] for key in ("slope", "slope_low", "slope_high"))
        yield ("slope", *of), Place("scaling.parquet", *bounds)
        yield ("overtakes", *of), Place("scaling.parquet", row["overtakes_at"])
        if row["c_s_per_token2"]:
            law = row["b_s_per_token"] / row["c_s_per_token2"]
            yield ("overtakes", *of), Place("scaling.parquet, b / c", law)


def quantity_of(row):
    """The quantity of a finding; one of two lengths is that of its condition alone."""
    chosen = dict(part.split(" ", 1) for part in row["options"].split(", ") if " " in part)
    by_default = "time_s" if row["measure"] in ("median", "ratio", "slope", "overtakes") else ""
    of = (
        row["options"].removeprefix("of ")
        if "[" in row["options"]
        else chosen.pop("of", by_default)
    )
    models = tuple(row["models"].split(" / "))
    length = None if pd.isna(row["seq_len"]) else int(row["seq_len"])
    if len(models) == 2 and length is None:
        length = f"{row['statement']}, {row['condition']}"
    options = "" if "[" in row["options"] else ", ".join(f"{k} {v}" for k, v in chosen.items())
    return row["measure"], of, row["experiment"], models, length, options


def judged_in(folder):
    """Tables `findings`, `causes`, `expectations` and `audit`, and the words of `verdicts`."""
    for name in ("findings", "causes", "expectations", "audit"):
        for row in pd.read_parquet(folder / f"{name}.parquet").to_dict("records"):
            if row["n"]:
                bounds = (row[key] for key in ("value", "low", "high", "confidence"))
                yield quantity_of(row), Place(f"{name}.parquet, {row['statement']}", *bounds)
    found = pd.read_parquet(folder / "findings.parquet")
    words = pd.read_parquet(folder / "verdicts.parquet").set_index("claim")["evidence"]
    for claim in load(CLAIMS):
        texts = words[claim["id"]].split(" | ")
        for condition, said in zip(claim["conditions"], texts, strict=True):
            assert said.startswith((f"{condition}, ", f"{condition}: "))
            rows = found[(found["statement"] == claim["id"]) & (found["condition"] == condition)]
            yield from said_in(f"verdicts.parquet, {claim['id']}, {condition}", said, rows)


def fairness_in(folder):
    """What the table `fairness`, where it is, says of models that the other tables speak of as well."""
    if (folder / "fairness.parquet").is_file():
        for row in pd.read_parquet(folder / "fairness.parquet").to_dict("records"):
            for of in ("parameters", "lr", "budget_steps"):
                if row[of] > 0:  # what is only timed has no rate and no budget
                    quantity = (
                        "median",
                        of,
                        row["experiment"],
                        (row["model"],),
                        row["seq_len"],
                        "",
                    )
                    yield quantity, Place("fairness.parquet", row[of])


def page_in(folder):
    """The page's own table `relative`, of each model by each other one."""
    run = Run.of_files(folder.glob("*.parquet"))
    timed = [name for name in run.tables if name.endswith("_samples")]
    timed = [name.removesuffix("_samples") for name in timed]
    for row in page.relative(run, timed).to_dict("records"):
        models = row["model"], row["relative_to"]
        quantity = ("ratio", "time_s", row["experiment"], models, int(row["seq_len"]), "")
        yield quantity, Place("page", row["ratio"], row["low"], row["high"])


def published_in(folder):
    """Numbers of cells, and minutes as measured, of a run that is published."""
    if not (folder / "times.csv").is_file():
        return
    for row in pd.read_csv(folder / "run.csv").to_dict("records"):
        if row["experiment"] == "all":
            continue
        cells = pd.read_parquet(folder / f"{row['experiment']}_cells.parquet")
        yield ("cells", row["experiment"]), Place("run.csv", row["cells"])
        yield ("cells", row["experiment"]), Place("cells", len(cells))
    times = pd.read_csv(folder / "times.csv").set_index("command")["minutes"]
    sentence = (folder / "published.md").read_text()
    for name, files in RUNS.items():
        command = f"`make run{' CONFIG=' + files[-1] if len(files) > 1 else ''}`"
        if command in times:
            (said,) = re.findall(rf"{name}(?:, [\d,]+ cells, |: about )(\d+) minutes?\b", sentence)
            yield ("minutes", name), Place("times.csv", times[command])
            yield ("minutes", name), Place("published.md", int(said))


NUMBER = r"[\d,]+(?:\.\d+)?(?:e-?\d+)?"
SAID = re.compile(
    rf"(?:({NUMBER})|(\d+) of (\d+)) \[({NUMBER})( %)?, ({NUMBER})(?: %)?(?:; ({NUMBER}) %)?\]"
    r"(?: \([^)]*\))?(?: at ([\d,]+)| over [\d,]+ to [\d,]+ tokens)?"
)


def said_in(where, said, rows):
    """What the words of a verdict say of each of a condition's findings."""
    judged = rows[(rows["outcome"] != "reported") & rows["low"].notna()]
    alike = judged.apply(lambda row: math.isclose(row["low"], row["high"]), axis=1).astype(bool)
    for value in judged.loc[alike, "value"]:  # the same in every run, and printed without bounds
        assert f": {text.digits(value)} " in said
    judged = judged[~alike]
    matches = list(SAID.finditer(said))
    assert len(matches) == len(judged), (said, len(judged))
    for row, match in zip(judged.to_dict("records"), matches, strict=True):
        value, yes, n, low, percent, high, confidence, length = match.groups()
        assert pd.isna(row["seq_len"]) or number(length) == row["seq_len"]
        scale = 100 if percent else 1
        yield (
            quantity_of(row),
            Place(
                where,
                number(value) if value else int(yes) / int(n),
                number(low) / scale,
                number(high) / scale,
                number(confidence) / 100 if confidence else 0.95,
                rounding=0.0051,  # three digits
                floor=0.0051 if percent else 0.0,  # whole percents
            ),
        )


def number(text):
    return float(text.replace(",", ""))


def same(a, b, *places):
    """Whether two numbers are the same but for rounding; infinities and gaps included."""
    rounding = {"rel_tol": max(p.rounding for p in places), "abs_tol": max(p.floor for p in places)}
    return (pd.isna(a) and pd.isna(b)) or math.isclose(a, b, **rounding)


def contradictions(places):
    """Sentences on quantities with two values, or two intervals of one confidence."""
    found = []
    for quantity, stands in places.items():
        for name in ("value", "low", "high"):
            first = {}  # one for each confidence where it is a bound
            for place in (p for p in stands if getattr(p, name) is not None):
                at = first.setdefault(name == "value" or place.confidence, place)
                a, b = getattr(at, name), getattr(place, name)
                if not same(a, b, at, place):
                    found.append(f"{quantity}: {name} {a} in {at.where}, {b} in {place.where}")
    return found


# The tests


def test_one_quantity_has_one_value_in_every_table(published):
    assert contradictions(walk(published)) == []


def test_the_walk_sees_every_table_and_quantities_that_stand_in_several(published):
    places = walk(published)
    where = {place.where.split(",")[0] for found in places.values() for place in found}
    made = {path.name for path in published.glob("*.parquet")}
    raw = ("_cells.parquet", "_curves.parquet", "_samples.parquet")
    unread = {name for name in made - where if not name.endswith(raw)}
    # Of attention nothing else is said; the answers are words of findings (tests/test_judging.py).
    assert unread == {"attention.parquet", "answers.parquet", "recall_answers.parquet"}
    several = {key: {p.where.split(",")[0] for p in found} for key, found in places.items()}
    shared = {key[0] for key, files in several.items() if len(files) > 1}
    assert shared >= {"ratio", "slope", "overtakes", "median", "solved_share", "steps_to_solve"}
    assert any({"ratios.parquet", "verdicts.parquet"} <= files for files in several.values())
    assert any({"ratios.parquet", "page"} <= files for files in several.values())
    assert any({"scaling.parquet", "verdicts.parquet"} <= files for files in several.values())
    assert any(
        {"recall.parquet", "distance.parquet", "audit.parquet"} <= f for f in several.values()
    )


def of_medians(a, b, of="time_s", confidence=0.95):
    """A ratio of medians, as a table of one's own might have it."""
    return measures.ratio(a, b)._replace(value=a.cells[of].median() / b.cells[of].median())


def narrower(measure):
    """The measure with intervals at 90 % that nobody is told of."""
    return lambda *arguments, **options: measure(*arguments, **options | {"confidence": 0.9})


def over_all_lengths(a, of="time_s", confidence=0.95):
    """A slope from the shortest length to the longest."""
    values = a.matrix(of)
    logs, x = np.log(values.mean()), np.log(values.columns.to_numpy(float))
    return measures.slope(a)._replace(value=np.polyfit(x, logs, 1)[0])


@pytest.mark.parametrize(
    ("module", "name", "other", "where"),
    [
        (comparisons, "ratio", of_medians, "ratios.parquet"),
        (comparisons, "ratio", narrower(measures.ratio), "ratios.parquet"),
        (page, "ratio", of_medians, "page"),
        (comparisons, "slope", over_all_lengths, "scaling.parquet"),
        (comparisons, "slope", narrower(measures.slope), "scaling.parquet"),
        (comparisons, "overtakes", lambda a: measures.Estimate(2304.0), "scaling.parquet"),
        (summaries, "solved_share", narrower(measures.solved_share), "recall.parquet"),
        (
            summaries,
            "steps_to_solve",
            lambda a: measures.median(a, "solved_step"),  # of those that were solved
            "recall.parquet",
        ),
        (
            summaries,
            "median",
            lambda a, of="time_s": measures.Estimate(*[a.cells[of].mean()] * 3),
            "recall.parquet",
        ),
    ],
)
def test_a_table_with_a_value_of_its_own_is_found(
    tables, published, monkeypatch, module, name, other, where
):
    """Each table is made again with another way to a quantity that stands elsewhere too."""
    monkeypatch.setattr(module, name, other)
    if module is comparisons:
        compare_models(tables, ["timing"])
    elif module is summaries:
        paths = sorted((published.parent / "recall").glob("*.parquet"), key=lambda p: int(p.stem))
        cells = pd.read_parquet(published / "recall_cells.parquet")
        cells = cells[["model", "seq_len", "seed"]].to_dict("records")
        make_tables(tables, "recall", "training", paths, cells)
    found = contradictions(walk(tables))
    assert found and any(f" in {where}" in sentence for sentence in found)


@pytest.mark.parametrize("old", ["2.", "of 6", "; 99 %"])
def test_a_verdict_with_words_of_its_own_is_found(tables, old):
    """Another number in the evidence, or an interval that does not say its confidence."""
    table = pd.read_parquet(tables / "verdicts.parquet")
    new = {"2.": "7.", "of 6": "of 9", "; 99 %": ""}[old]
    assert table["evidence"].str.contains(old, regex=False).any()
    changed = table.assign(evidence=table["evidence"].str.replace(old, new, regex=False))
    changed.to_parquet(tables / "verdicts.parquet")
    assert any("verdicts.parquet" in sentence for sentence in contradictions(walk(tables)))


def test_a_real_run_has_one_value_for_each_quantity(smoke_run):
    """With the ledger of what each model is given, which builds the models that the cells counted."""
    places = walk(smoke_run / "results/tables")
    assert contradictions(places) == []
    for of, table in {"parameters": "timing", "lr": "recall", "budget_steps": "recall"}.items():
        quantity = ("median", of, table, ("lstm",), 50 if table == "timing" else 4, "")
        assert {"fairness.parquet", f"{table}.parquet"} <= {p.where for p in places[quantity]}


@pytest.mark.parametrize("of", ["parameters", "lr", "budget_steps"])
def test_a_ledger_with_numbers_of_its_own_is_found(smoke_run, tmp_path, of):
    tables = shutil.copytree(smoke_run / "results/tables", tmp_path / "tables")
    ledger = pd.read_parquet(tables / "fairness.parquet")
    ledger.assign(**{of: ledger[of] * 2}).to_parquet(tables / "fairness.parquet")
    assert any("fairness.parquet" in sentence for sentence in contradictions(walk(tables)))


@pytest.mark.parametrize("reference", PUBLISHED, ids=lambda path: path.parent.name)
def test_the_published_tables_have_one_value_for_each_quantity(reference):
    assert contradictions(walk(reference)) == []


@pytest.mark.parametrize("reference", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_verdicts_are_those_of_the_published_cells(reference, tmp_path, monkeypatch):
    called = pd.read_parquet(reference / "verdicts.parquet")["reproduce"].iloc[0]
    monkeypatch.setenv("SEQBENCH", called.removesuffix(" -- verdicts"))
    judge_all(tmp_path, reference)
    for name in ("findings", "verdicts", *STATEMENTS[1:]):
        fresh, committed = (pd.read_parquet(f / f"{name}.parquet") for f in (tmp_path, reference))
        pd.testing.assert_frame_equal(fresh, committed)
        if name != "findings":
            assert (tmp_path / f"{name}.md").read_text() == (reference / f"{name}.md").read_text()
