"""Judging: what the run says about each claim, expectation and step of the audit.

in:  workflow/statements/*.yaml, the cells and curves of the experiments
out: <results>/tables/findings.{csv,parquet}          one row per statement, condition and length
     <results>/tables/{verdicts,causes,expectations,audit,answers,recall_answers}.{csv,parquet,md}
     <results>/tables/claims.{md,html}                claim, verdict, one number
     <results>/tables/not_held.{md,html}              causes, expectations and steps that do not hold
     <results>/tables/compare.{csv,parquet,md}        this run against the published one, or `against`; on demand
"""


rule judge:
    """Hold every statement against the run; what the run lacks is a finding that says so."""
    input:
        statement_files=[
            static(f"statements/{name}.yaml")
            for name in ["claims", "causes", "expectations", "audit", "answers", "recall_answers"]
        ],
        original=[
            static(f"original/original_{experiment}_cells.csv")
            for experiment in ["timing", "recall"]
        ],
        views=static("views.yaml"),
        cells=[
            *expand(
                "<results>/tables/{experiment}_cells.parquet",
                experiment=plan.names(on_demand=False),
            ),
            *expand(
                "<results>/tables/{experiment}_curves.parquet",
                experiment=plan.names("training", on_demand=False),
            ),
        ],
    output:
        findings_tables=multiext("<results>/tables/findings", ".csv", ".parquet"),
        judged_tables=[
            "<results>/tables/claims.md",
            in_report("<results>/tables/claims.html", "table", "Verdicts", "claims"),
            "<results>/tables/not_held.md",
            in_report("<results>/tables/not_held.html", "table", "Verdicts", "what did not hold"),
            *table("verdicts", "Verdicts"),
            *table("causes", "Verdicts"),
            *table("expectations", "Verdicts"),
            *table("audit", "Audit"),
            *table("answers", "Verdicts"),
            *table("recall_answers", "Verdicts"),
        ],
    params:
        code=digest("workflow.scripts.judge"),
    log:
        "<results>/logs/judge.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/judge.py"


rule verdicts:
    input:
        rules.judge.output,
        rules.comparison_tables.output,
        rules.position_tables.output,
        rules.distance_table.output,
        rules.read_outs_table.output if HAS_READ_OUTS else [],


# The run that this one is compared with, and the tables that are.
AGAINST = plan.config.get("against", f"results/reference/{plan.device()}")
COMPARED = ["timing_cells", "recall_cells", "verdicts"]


rule compare_table:
    """Compare cell by cell and claim by claim, and say where the two are not comparable."""
    input:
        run=expand("<results>/tables/{table}.parquet", table=COMPARED),
        # Those that are there: a missing run is for the job to explain.
        other=[
            *filter(os.path.isfile, expand(f"{AGAINST}/tables/{{table}}.parquet", table=COMPARED))
        ],
    output:
        csv="<results>/tables/compare.csv",
        parquet="<results>/tables/compare.parquet",
        md="<results>/tables/compare.md",
        html=in_report(
            "<results>/tables/compare.html", "compare", "Verdicts", "against another run"
        ),
    params:
        against=lambda wildcards: AGAINST,
        code=digest("workflow.scripts.compare_table"),
    log:
        "<results>/logs/compare_table.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/compare_table.py"


rule compare:
    input:
        rules.compare_table.output,
        "<results>/report/compare.html",
