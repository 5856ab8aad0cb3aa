"""The audit of the original: from its protocol to the proper one, one change at a time.

in:  <results>/tables/{timing,timing_audit,recall,recall_audit}_cells.parquet, {recall,recall_audit}_curves.parquet
     workflow/original/*.csv              what the original notebook printed
out: <results>/tables/audit.{csv,parquet,md}
     <results>/figures/audit.{png,svg}
"""


rule audit:
    input:
        multiext("<results>/tables/audit", ".csv", ".parquet", ".md"),
        multiext("<results>/figures/audit", ".png", ".svg"),
        # What the figure is drawn from, and the tables of the experiments that only the audit runs.
        expand(
            "<results>/tables/{experiment}_cells.parquet",
            experiment=["timing", "recall", "recall_audit"],
        ),
        multiext("<results>/tables/timing_audit", ".csv", ".parquet", ".md"),
        multiext("<results>/tables/recall_audit", ".csv", ".parquet", ".md"),


rule audit_table:
    """Line up what was printed, the rerun, and each change on the way to the proper protocol."""
    input:
        printed_timing="workflow/original/timing.csv",
        printed_recall="workflow/original/recall.csv",
        timing="<results>/tables/timing_cells.parquet",
        timing_audit="<results>/tables/timing_audit_cells.parquet",
        recall="<results>/tables/recall_cells.parquet",
        recall_audit="<results>/tables/recall_audit_cells.parquet",
        recall_curves="<results>/tables/recall_curves.parquet",
        recall_audit_curves="<results>/tables/recall_audit_curves.parquet",
        code=sources("workflow.scripts.audit_table"),
    output:
        csv="<results>/tables/audit.csv",
        parquet="<results>/tables/audit.parquet",
        md="<results>/tables/audit.md",
    log:
        "<results>/logs/audit_table.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/audit_table.py"


rule audit_figure:
    """Draw how each change of protocol moves the two results of the original."""
    input:
        table="{run}/tables/audit.parquet",
        timing="{run}/tables/timing_cells.parquet",
        trainings=expand(
            "{{run}}/tables/{experiment}_cells.parquet", experiment=["recall", "recall_audit"]
        ),
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.audit_figure"),
    output:
        png=report("{run}/figures/audit.png", caption="../report/audit.rst", category="Audit"),
        svg="{run}/figures/audit.svg",
    log:
        "<results>/logs/figures/{run}/audit.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/audit_figure.py"
