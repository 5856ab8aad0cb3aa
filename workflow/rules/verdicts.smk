"""Verdicts: each of the original's claims, judged by the rule that workflow/claims.yaml states.

in:  workflow/claims.yaml and the tables that its rules read
out: <results>/tables/verdicts.{csv,parquet,md}
"""


rule verdicts:
    input:
        multiext("<results>/tables/verdicts", ".csv", ".parquet", ".md"),


rule verdict_table:
    """Judge the claims; a changed threshold reruns this and nothing else."""
    input:
        claims="workflow/claims.yaml",
        timing_cells="<results>/tables/timing_cells.parquet",
        timing_audit_cells="<results>/tables/timing_audit_cells.parquet",
        recall_cells="<results>/tables/recall_cells.parquet",
        recall_curves="<results>/tables/recall_curves.parquet",
        gradient_flow="<results>/tables/gradient_flow.parquet",
        code=sources("workflow.scripts.verdict_table"),
    output:
        csv="<results>/tables/verdicts.csv",
        parquet="<results>/tables/verdicts.parquet",
        md=report(
            "<results>/tables/verdicts.md", caption="../report/verdicts.rst", category="Verdicts"
        ),
    log:
        "<results>/logs/verdicts.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/verdict_table.py"
