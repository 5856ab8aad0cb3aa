"""A verdict on each of the original's claims, computed from the tables by pre-stated rules.

"Supported" and "refuted" need every finding to agree, which needs no correction for their number.
"""

import pandas as pd

from workflow.seqbench.rules import (
    FAILS,
    HOLDS,
    RULES,
    UNDECIDED,
    experiment_of,
    models_of,
)

# Tables that a rule reads beside the cells that its tests name; recall's where they name none.
READS = {
    "loss_zero_immediately": ["recall", "recall_curves"],
    "gradient_decides": ["recall", "gradient_flow"],
    "distance_does_not_matter": ["recall", "distance"],
}
TARGETS = {  # of the workflow, where not named for the table
    "timing_audit": "audit",
    "recall_curves": "recall",
    "distance": "mechanism",
    "gradient_flow": "mechanism",
}


def judge(claims, tables):
    """The table `verdicts`: one row a claim, in the order of `claims` (the parsed claims.yaml)."""
    rows = []
    for name, claim in claims["claims"].items():
        rule, tests = RULES[claim["rule"]], claim["tests"]
        findings = {
            protocol: rule(tables, test, claims["thresholds"]) for protocol, test in tests.items()
        }
        verdict, condition = conclude(findings)
        sources = sources_of(claim)
        rows.append(
            {
                "claim": name,
                "quote": claim["quote"],
                "verdict": verdict,
                "condition": condition,
                "evidence": " | ".join(
                    f"{protocol}, {outcomes(found)}: {' / '.join(models_of(tests[protocol]))}: "
                    f"{', '.join(f.evidence for f in found)}"
                    for protocol, found in findings.items()
                ),
                "would_decide": would_decide(findings),
                "rule": claim["says"],
                "tables": "; ".join(f"{table}: {', '.join(m)}" for table, m in sources.items()),
                "shards": ", ".join(shards_of(claim)),
                "reproduce": "snakemake --cores 4 "
                + " ".join(sorted({TARGETS.get(table, table) for table in sources})),
            }
        )
    return pd.DataFrame(rows)


def conclude(findings):
    """Verdict and condition from {protocol: findings}."""
    seen = {f.outcome for found in findings.values() for f in found}
    if seen == {HOLDS}:
        return "supported", ""
    if seen == {FAILS}:
        return "refuted", ""
    if seen <= {UNDECIDED}:
        return "inconclusive", ""
    parts = [f"{protocol}: {outcomes(found)}" for protocol, found in findings.items()]
    return "conditional", " | ".join(parts)


def outcomes(found):
    """The outcomes of one test in words: "holds at 500, 1,000 tokens; undecided at 100 tokens"."""
    where = {
        outcome: [f.condition for f in found if f.outcome == outcome]
        for outcome in (HOLDS, FAILS, UNDECIDED)
    }
    return "; ".join(
        outcome if len(own) == len(found) else f"{outcome} at {places(own)}"
        for outcome, own in where.items()
        if own
    )


def places(conditions):
    """Conditions in words; lengths share one unit."""
    lengths = [f"{n:,}" for n in conditions if not isinstance(n, str)]
    words = [f"{', '.join(lengths)} tokens"] if lengths else []
    return ", ".join(words + [c for c in conditions if isinstance(c, str)])


def would_decide(findings):
    """What would decide the findings that are undecided, or nothing where none is."""
    parts = []
    for protocol, found in findings.items():
        undecided = [f for f in found if f.outcome == UNDECIDED]
        for decide in dict.fromkeys(f.decide for f in undecided):
            where = places([f.condition for f in undecided if f.decide == decide])
            parts.append(f"{protocol}, {where}: {decide}")
    return " | ".join(parts)


def sources_of(claim):
    """{table: models} of the rows that a claim's verdict rests on."""
    found = {}
    for test in claim["tests"].values():
        for table in READS.get(claim["rule"], [experiment_of(test)]):
            own = found.setdefault(table, [])
            own += [model for model in models_of(test) if model not in own]
    return found


def shards_of(claim):
    """Folders of the shards behind those rows, relative to the run's folder."""
    folders = {
        f"{experiment_of(test)}/model~{model}/"
        for test in claim["tests"].values()
        for model in models_of(test)
    }
    return sorted(folders)


def for_people(verdicts):
    """The table that the README shows."""
    shown = verdicts["evidence"].str.replace(" | ", "<br>", regex=False)
    decide = verdicts["would_decide"].str.replace(" | ", "<br>", regex=False)
    return pd.DataFrame(
        {
            "The original says": [f"“{quote}”" for quote in verdicts["quote"]],
            "Verdict": [f"**{verdict}**" for verdict in verdicts["verdict"]],
            "Evidence": shown.where(decide == "", shown + "<br>*Would decide:* " + decide),
            "Rows and command": [
                f"{row.tables}<br>`{row.reproduce}`" for row in verdicts.itertuples()
            ],
        }
    )
