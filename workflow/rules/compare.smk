"""This run against the published one of the same device; two other runs: python -m workflow.seqbench.compare A B.

in:  tables of this run and of results/reference/<device>
out: <results>/tables/compare.{csv,parquet,md}
"""


rule compare:
    input:
        multiext("<results>/tables/compare", ".csv", ".parquet", ".md"),


rule compare_table:
    """Compare cell by cell and claim by claim, and say where the two are not comparable."""
    input:
        expand(
            "<results>/tables/{table}.parquet", table=["timing_cells", "recall_cells", "verdicts"]
        ),
        # Those that are there: a missing reference is for the job to explain.
        reference=sorted(
            map(
                str,
                Path("results/reference", config["timing"]["device"], "tables").glob("*.parquet"),
            )
        ),
        claims="workflow/claims.yaml",
        code=sources("workflow.scripts.compare_table"),
    output:
        csv="<results>/tables/compare.csv",
        parquet="<results>/tables/compare.parquet",
        md=report(
            "<results>/tables/compare.md", caption="../report/compare.rst", category="Verdicts"
        ),
    params:
        device=config["timing"]["device"],
    log:
        "<results>/logs/compare_table.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/compare_table.py"
