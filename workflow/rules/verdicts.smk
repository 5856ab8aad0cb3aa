"""Verdicts: each of the original's claims, judged by the rule that workflow/claims.yaml states.

in:  workflow/claims.yaml and the tables that its rules read
out: <results>/tables/{scaling,ratios}.{csv,parquet,md}   what the times say
     <results>/tables/verdicts.{csv,parquet,md}
"""


rule verdicts:
    input:
        multiext("<results>/tables/verdicts", ".csv", ".parquet", ".md"),


rule timing_comparison:
    """Fit how each model's time grows, and compare it with the first model's."""
    input:
        claims="workflow/claims.yaml",
        cells="<results>/tables/timing_cells.parquet",
        code=sources("workflow.scripts.timing_comparison"),
    output:
        scaling=multiext("<results>/tables/scaling", ".csv", ".parquet", ".md"),
        ratios=multiext("<results>/tables/ratios", ".csv", ".parquet", ".md"),
    log:
        "<results>/logs/timing_comparison.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/timing_comparison.py"


rule verdict_table:
    """Judge the claims; a changed threshold reruns this and the comparison above."""
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
