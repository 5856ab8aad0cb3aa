"""The report: one page to explore a run, made from its tables.

in:  the tables of a run, this one (<results>) or a published one; workflow/page/, figures.yaml
out: RUN/report/index.html
     <results>/report/compare.html     the same, with this run held against another one; on demand
"""


rule report_page:
    """Make one page of {wildcards.run} that explains itself and asks for nothing from anywhere."""
    input:
        tables=asks(tables_of),
        page=[
            static(f"page/{name}")
            for name in [
                *("page.html", "page.css", "tables.js", "charts.js"),
                *("view.js", "explore.js", "evidence.js"),
            ]
        ],
        spec=static("figures.yaml"),
    output:
        html=in_report("{run}/report/index.html", "page", "Explore", "every number, with selectors"),
    params:
        shards=f"{plan.results}/EXPERIMENT/CELL.parquet",
        experiments=plan.names(),
        code=digest("workflow.scripts.report_page"),
    log:
        "<results>/logs/report/{run}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/report_page.py"


use rule report_page as compared_page with:
    input:
        tables=[*tables_of(plan.results), rules.compare_table.output.parquet],
        page=rules.report_page.input.page,
        spec=static("figures.yaml"),
    output:
        html="<results>/report/compare.html",
    params:
        shards=f"{plan.results}/EXPERIMENT/CELL.parquet",
        experiments=plan.names(),
        code=digest("workflow.scripts.report_page"),
    log:
        "<results>/logs/report/compare.log",
    localrule: True
