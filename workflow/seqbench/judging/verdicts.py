"""Tables from findings: verdicts on the claims, the expectations, the steps of the audit."""

from string import Formatter
from types import SimpleNamespace

import pandas as pd

from workflow.seqbench.judging.judge import FAILS, HOLDS, REPORTED, UNDECIDED, outcomes, verdict_on
from workflow.seqbench.log import command
from workflow.seqbench.showing.text import finding


def verdict_table(claims, findings):
    """The table `verdicts`: one row per claim, in their order.

    verdict: supported, refuted or inconclusive where all findings agree; holds (fails) where decided;
    depends, with `depends_on` saying under which condition and at which length it holds and fails.
    """
    rows = []
    for claim in claims:
        of_claim = findings[findings["statement"] == claim["id"]]
        parts = dict(list(of_claim.groupby("condition", sort=False)))
        words = {name: in_words(part) for name, part in parts.items()}
        verdict = verdict_on([outcome for part in parts.values() for outcome in outcomes(part)])
        agree = verdict in ("supported", "refuted", "inconclusive")
        evidence = [
            f"{name}, {words[name]}: {part['models'].iloc[0]}: {evidence_of(part)}"
            if outcomes(part)
            else f"{name}: {words[name]}"
            for name, part in parts.items()
        ]
        would_decide = [
            f"{name}, {places(rows_alike)}: {decide}"
            for name, part in parts.items()
            if UNDECIDED in outcomes(part)
            for decide, rows_alike in part[part["decide"] != ""].groupby("decide", sort=False)
        ]
        shards = {shard for row in of_claim["shards"] for shard in row.split(", ") if shard}
        rows.append(
            {
                "claim": claim["id"],
                "quote": claim["quote"],
                "verdict": verdict,
                "number": number_of(claim, of_claim),
                "depends_on": "" if agree else " | ".join(f"{n}: {w}" for n, w in words.items()),
                "evidence": " | ".join(evidence),
                "would_decide": " | ".join(would_decide),
                "rule": claim["rule"],
                "shards": ", ".join(sorted(shards)),
                "reproduce": f"{command()} -- verdicts",
            }
        )
    return pd.DataFrame(rows)


def number_of(claim, findings):
    """A claim in one number: the first of those it names that the run has, else nothing."""
    numbers = claim.get("number", [])
    numbers = [numbers] if isinstance(numbers, str) else numbers
    return next(filter(None, (filled(number, findings)[0] for number in numbers)), "")


def in_words(part):
    """Outcomes of a condition: "holds at 500, 1,000 tokens; undecided at 100 tokens"."""
    distinct = set(outcomes(part))
    if len(distinct) <= 1:
        return distinct.pop() if distinct else part["note"].iloc[0] or REPORTED
    groups = {word: part[part["outcome"] == word] for word in (HOLDS, FAILS, UNDECIDED)}
    return "; ".join(f"{word} at {places(rows)}" for word, rows in groups.items() if len(rows))


def places(rows):
    """The lengths of findings in words."""
    lengths = [f"{n:,}" for n in rows["seq_len"].dropna()]
    return f"{', '.join(lengths)} tokens" if lengths else "this run"


def evidence_of(part):
    """The judged estimates of a condition, each with the lengths that it speaks of."""
    texts = []
    for row in part[part["outcome"] != REPORTED].itertuples():
        place = f" over {row.where}" if row.where else ""
        place = place if pd.isna(row.seq_len) else f" at {row.seq_len:,}"
        texts.append(f"{finding(row)}{place}")
    return ", ".join(texts)


def expectation_table(expectations, findings):
    """The table `expectations`: the findings of each, with its sentence and source."""
    return joined(expectations, findings, ["sentence", "source"])


def not_held(expectations, findings):
    """The part of the table `expectations` that fails."""
    return expectation_table(expectations, findings[findings["outcome"] == FAILS])


def answer_table(answers, findings):
    """The table `answers`: one sentence each, its conditions replaced by what the run shows of them."""
    rows = []
    for answer in answers:
        of_answer = findings[findings["statement"] == answer["id"]]
        text, lacking = filled(answer["sentence"], of_answer)
        text = text or f"This run does not say: {'; '.join(lacking)}."
        text = f"{text} {filled(answer.get('also', ''), of_answer)[0]}".strip()
        rows.append({"answer": answer["id"], "title": answer["title"], "text": text})
    return pd.DataFrame(rows)


def filled(sentence, findings):
    """(sentence with the last finding of each condition in place of its name, []).

    ("", why) where one that the sentence names has no value.
    """
    rows = {row.condition: row for row in findings.itertuples()}
    named = {part.split(".")[0] for _, part, *_ in Formatter().parse(sentence) if part}
    lacking = {rows[name].note: 0 for name in sorted(named) if pd.isna(rows[name].value)}
    parts = {
        name: SimpleNamespace(found=finding(row._replace(note="")), seq_len=row.seq_len)
        for name, row in rows.items()
    }
    return ("", [*lacking]) if lacking else (sentence.format(**parts), [])


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
