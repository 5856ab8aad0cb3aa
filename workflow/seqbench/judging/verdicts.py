"""Tables from findings: verdicts on the claims, the expectations, the steps of the audit."""

import pandas as pd

from workflow.seqbench.judging.judge import FAILS, HOLDS, REPORTED, UNDECIDED, outcomes, verdict
from workflow.seqbench.showing.text import finding


def verdict_table(claims, findings):
    """The table `verdicts`: one row per claim, in their order.

    verdict: supported, refuted or inconclusive where all findings agree; holds (fails) where decided;
    depends, with `depends_on` saying under which condition and at which length it holds and fails.
    """
    rows = []
    for claim in claims:
        parts = {
            name: findings[(findings["statement"] == claim["id"]) & (findings["condition"] == name)]
            for name in claim["conditions"]
        }
        words = {
            name: in_words(part, claim["conditions"][name].get("at"))
            for name, part in parts.items()
        }
        seen = [
            outcome
            for name, part in parts.items()
            for outcome in outcomes(part, claim["conditions"][name].get("at"))
        ]
        evidence = [
            f"{name}, {words[name]}: {part['models'].iloc[0]}: {evidence_of(part)}"
            for name, part in parts.items()
        ]
        undecided = {
            name: part[part["outcome"] == UNDECIDED]
            for name, part in parts.items()
            if UNDECIDED in outcomes(part, claim["conditions"][name].get("at"))
        }
        shards = {
            f"{row.experiment}/model~{model}/"
            for part in parts.values()
            for row in part.itertuples()
            for model in row.models.split(" / ")
        }
        agree = verdict(seen) in ("supported", "refuted", "inconclusive")
        rows.append(
            {
                "claim": claim["id"],
                "quote": claim["quote"],
                "verdict": verdict(seen),
                "depends_on": "" if agree else " | ".join(f"{n}: {w}" for n, w in words.items()),
                "evidence": " | ".join(evidence),
                "would_decide": " | ".join(
                    f"{name}, {places(rows_of)}: {decide}"
                    for name, part in undecided.items()
                    for decide, rows_of in part.groupby("decide", sort=False)
                ),
                "rule": claim["rule"],
                "shards": ", ".join(sorted(shards)),
                "reproduce": "snakemake --cores 4 verdicts",
            }
        )
    return pd.DataFrame(rows)


def in_words(part, at):
    """Outcomes of a condition: "holds at 500, 1,000 tokens; undecided at 100 tokens"."""
    whole = outcomes(part, at)
    if at == "any" or len(set(whole)) == 1:
        return whole[0]
    groups = {word: part[part["outcome"] == word] for word in (HOLDS, FAILS, UNDECIDED)}
    return "; ".join(f"{word} at {places(rows)}" for word, rows in groups.items() if len(rows))


def places(rows):
    """The lengths of findings in words."""
    lengths = [f"{n:,}" for n in rows["seq_len"].dropna()]
    return f"{', '.join(lengths)} tokens" if lengths else "this run"


def evidence_of(part):
    """The judged estimates of a condition, each with its length."""
    judged = part[part["outcome"] != REPORTED]
    texts = []
    for row in judged.itertuples():
        place = row.where if isinstance(row.where, str) and row.where else ""
        place = (
            f" at {row.seq_len:,}"
            if not pd.isna(row.seq_len)
            else f" over {place}"
            if place
            else ""
        )
        texts.append(f"{finding(row)}{place}")
    return ", ".join(texts)


def expectation_table(expectations, findings):
    """The table `expectations`: the findings of each, with its sentence and source."""
    return joined(expectations, findings, ["sentence", "source"])


def audit_table(audit, findings):
    """The table `audit`: the findings of each step, numbered by the part (condition) they belong to.

    A step changes the time (condition `time`) or the trainings (one condition for each model).
    """
    table = joined(audit, findings, ["title", "sentence", "source"])
    part = table["condition"].where(table["condition"] == "time", "recall")
    steps = table.groupby(part)["statement"].transform(lambda ids: pd.factorize(ids)[0] + 1)
    table.insert(0, "part", part)
    table.insert(1, "step", steps)
    return table


def joined(statements, findings, keys):
    """Findings of the statements with `keys` of theirs, and the estimate in words."""
    by_id = {statement["id"]: statement for statement in statements}
    table = findings[findings["statement"].isin(by_id)].reset_index(drop=True)
    for key in keys:
        table[key] = [by_id[name].get(key, "") for name in table["statement"]]
    return table.assign(found=[finding(row) for row in table.itertuples()])
