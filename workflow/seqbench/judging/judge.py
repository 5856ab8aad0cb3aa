"""From statements to findings, and from findings to a verdict on each statement.

A finding holds or fails only where its interval lies wholly inside or outside of the accepted range,
so that each is wrong in at most 2.5 % of runs; that is not corrected for the number of statements.
A condition of the kind "there is a length" corrects for the number of lengths (Bonferroni), and its
findings say at which confidence they were made.
"""

import math

import pandas as pd

from workflow.seqbench.judging.deciding import what_would_decide
from workflow.seqbench.judging.statements import experiments_of, options
from workflow.seqbench.log import UserError
from workflow.seqbench.results.measures import MEASURES, Estimate
from workflow.seqbench.results.selecting import NotInRun, NotRun, incomplete, mixed, select
from workflow.seqbench.results.statistics import CONFIDENCE

HOLDS, FAILS, UNDECIDED, REPORTED = "holds", "fails", "undecided", "reported"
COLUMNS = ["statement", "condition", "at", "experiment", "models", "seq_len", "where", "measure"]
COLUMNS += ["options", "value", "low", "high", "confidence", "n", "method", "limit", "note"]
COLUMNS += ["accepted_low", "accepted_high", "outcome", "decide", "shards"]


def findings(statements, run):
    """The table `findings`: one row per statement, condition and length, whatever the run holds."""
    rows = [
        {"statement": statement["id"], "condition": name, "at": str(condition.get("at", ""))} | row
        for statement in statements
        for name, condition in statement["conditions"].items()
        for row in condition_findings(condition, run)
    ]
    whole = {"seq_len": "Int64", "n": "Int64"}
    texts = {key: "" for key in ("where", "options", "method", "note", "decide", "shards")}
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(texts, object)).fillna(texts).astype(whole)


def condition_findings(condition, run):
    """Rows of one condition: what it judges, then what it shows beside that.

    Cells that the run lacks leave it undecided; an experiment that it lacks leaves it out.
    """
    cells, models = condition["cells"], condition["cells"]["models"]
    experiments, seq_lens = experiments_of(condition), cells.get("seq_lens", [None] * len(models))
    where = " / ".join(f"{n:,}" for n in seq_lens) + " tokens" if "seq_lens" in cells else ""
    about = {"experiment": " / ".join(dict.fromkeys(experiments)), "models": " / ".join(models)}
    try:
        places = zip(experiments, models, seq_lens, strict=True)
        selections = [select(run, *place, cells.get("needs")) for place in places]
        lengths = lengths_of(condition.get("at"), selections)
    except NotInRun as missing:
        row = about | named(condition) | {"where": where, "note": str(missing), "n": 0}
        yield row | lacking(condition.get("accepted"), missing, about)
        return
    about["shards"] = ", ".join(folders(experiments, selections))
    parts = [incomplete(run.table(f"{name}_cells")) for name in dict.fromkeys(experiments)]
    parts += mixed(*(selection.cells for selection in selections))
    part = "; ".join(filter(None, parts))
    confidence = 1 - (1 - CONFIDENCE) / len(lengths) if condition.get("at") == "any" else CONFIDENCE
    for seq_len in lengths:
        at = [s if seq_len is None else s.at(seq_len) for s in selections]
        for specification in (condition, *condition.get("shown", [])):
            estimate = measured(specification, at, confidence)
            row = {"seq_len": seq_len, "confidence": confidence, **estimate._asdict()}
            row["where"] = estimate.where or where
            row["note"] = "; ".join(filter(None, [estimate.note, part]))
            accepted = specification.get("accepted")
            accepted = accepted.get(seq_len) if isinstance(accepted, dict) else accepted
            yield about | named(specification) | row | judged(estimate, accepted, confidence)


def folders(experiments, selections):
    """The folders of the selected cells, below that of the run; a model that only took turns has none."""
    pairs = zip(experiments, selections, strict=True)
    return sorted({f"{name}/model~{model}/" for name, s in pairs for model in s.cells["model"]})


def named(specification):
    """A measure with its options as text: "by 500, of cold_s over time_s"."""
    values = {
        key: " over ".join(value) if isinstance(value, list) else value
        for key, value in options(specification).items()
    }
    chosen = ", ".join(f"{key} {value}" for key, value in values.items())
    return {"measure": specification["measure"], "options": chosen}


def lacking(accepted, missing, about):
    """Columns on the outcome of a condition whose cells the run lacks."""
    bounds = accepted if isinstance(accepted, list) else (math.nan, math.nan)
    row = dict(zip(("accepted_low", "accepted_high"), bounds, strict=True))
    if accepted is None or isinstance(missing, NotRun):
        return row | {"outcome": REPORTED}
    decide = f"a run of {about['models']} in {about['experiment']} as the condition needs it"
    return row | {"outcome": UNDECIDED, "decide": decide}


def judged(estimate, accepted, confidence):
    """Columns on the outcome of one estimate; without an accepted range it is only reported."""
    if accepted is None:
        return {"outcome": REPORTED}
    outcome = within(estimate, *accepted)
    decide = what_would_decide(estimate, accepted, confidence) if outcome == UNDECIDED else ""
    low, high = accepted
    return {"accepted_low": low, "accepted_high": high, "outcome": outcome, "decide": decide}


def lengths_of(at, selections):
    """The lengths at which a condition is measured; [None] for all of them together."""
    if at is None:
        return [None]
    lengths = [set(s.cells["seq_len"]) for s in selections if not s.cells.empty]
    common = set.intersection(*lengths) if lengths else set()
    if at == "longest":
        chosen = common and {max(common)}
    else:
        chosen = common & {at} if isinstance(at, int) else common
    if not chosen:
        raise NotInRun(f"no cells at {at:,} tokens" if isinstance(at, int) else "no common length")
    return sorted(chosen)


def measured(specification, selections, confidence):
    """The Estimate of a measure; an empty one where the selections have nothing to measure."""
    if all(selection.cells.empty for selection in selections):
        return Estimate(note="no cells")
    measure = MEASURES[specification["measure"]]
    try:
        return measure(*selections, **options(specification), confidence=confidence)
    except KeyError as error:
        name = specification["measure"]
        raise UserError(f"a statement's measure {name} reads {error}, which cells lack") from error


def within(estimate, low, high):
    """Whether an estimate's interval lies in [low, high], outside of it, or across an edge."""
    if pd.isna(estimate.low) or pd.isna(estimate.high):
        return UNDECIDED
    if low <= estimate.low and estimate.high <= high:
        return HOLDS
    return FAILS if estimate.high < low or estimate.low > high else UNDECIDED


def outcomes(rows):
    """Outcomes of a condition's judged rows; a condition "there is a length" has one for all."""
    judged = rows.loc[rows["outcome"] != REPORTED, "outcome"].tolist()
    if not judged or rows["at"].iloc[0] != "any":
        return judged
    if HOLDS in judged:
        return [HOLDS]
    return [FAILS] if set(judged) == {FAILS} else [UNDECIDED]


def verdict_on(outcomes):
    """One word for all outcomes of a statement; that all agree needs no correction for their number."""
    agreed = {HOLDS: "supported", FAILS: "refuted", UNDECIDED: "inconclusive"}
    seen = set(outcomes) or {UNDECIDED}
    if len(seen) == 1:
        return agreed[seen.pop()]
    decided = seen - {UNDECIDED}
    return f"{decided.pop()} where decided" if len(decided) == 1 else "depends"
