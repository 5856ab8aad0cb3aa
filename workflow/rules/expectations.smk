"""Expectations: what a right run should show, by the literature and first principles, against this run.

in:  tables of timing, timing_audit, decode, recall, recall_audit and the mechanism
out: <results>/tables/expectations.{csv,parquet,md}
"""


rule expectations:
    input:
        multiext("<results>/tables/expectations", ".csv", ".parquet", ".md"),
        # Published with it, so that verdicts and expectations can be made again from the tables.
        expand(
            "<results>/tables/{experiment}_cells.parquet",
            experiment=["timing_audit", "recall_audit", "decode"],
        ),


rule expectation_table:
    """Hold each expectation against the run; what the run lacks is a row that says so."""
    input:
        timing_cells="<results>/tables/timing_cells.parquet",
        timing_audit_cells="<results>/tables/timing_audit_cells.parquet",
        decode_cells="<results>/tables/decode_cells.parquet",
        recall="<results>/tables/recall.parquet",
        recall_cells="<results>/tables/recall_cells.parquet",
        recall_curves="<results>/tables/recall_curves.parquet",
        recall_audit_cells="<results>/tables/recall_audit_cells.parquet",
        gradient_flow="<results>/tables/gradient_flow.parquet",
        code=sources("workflow.scripts.expectation_table"),
    output:
        csv="<results>/tables/expectations.csv",
        parquet="<results>/tables/expectations.parquet",
        md=report(
            "<results>/tables/expectations.md",
            caption="../report/expectations.rst",
            category="Verdicts",
        ),
    log:
        "<results>/logs/expectation_table.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/expectation_table.py"
