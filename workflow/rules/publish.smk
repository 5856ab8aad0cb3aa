"""The published run: promoting this run to it, and drawing it again.

in:  every table and figure of this run
out: results/reference/<device>/{config.yaml,tables,figures,report}   the published run, tracked by git
     workflow/tuned_rates.csv                                     the rates of lr: tuned, from the sweeps
     README.md                                                 the blocks that are generated from it
     docs/results.md                                           all of it, generated
"""


rule publish:
    """Promote this run to the reference run and rewrite the README's numbers. Always runs when asked for."""
    input:
        *rules.all.input,
    params:
        run=lambda wildcards: plan.results,
        # No input, as sweeps are made when they are asked for and not when code changes.
        sweeps=plan.names(swept=True),
        config=config,
        reference=f"results/reference/{plan.device()}",
        page="README.md" if plan.device() == "cpu" else None,
        results="docs/results.md",
        shards=rules.report_page.params.shards,
        experiments=rules.report_page.params.experiments,
        code=digest("workflow.scripts.publish"),
    log:
        "<results>/logs/publish.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/publish.py"


rule adopt_rates:
    """Make the rates that the sweeps chose those of `lr: tuned`. Always runs when asked for."""
    input:
        sweeps=expand(
            "<results>/tables/{experiment}.parquet",
            experiment=plan.names("training", swept=True),
        ),
    params:
        rates=static("tuned_rates.csv"),
        code=digest("workflow.scripts.adopt_rates"),
    log:
        "<results>/logs/adopt_rates.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/adopt_rates.py"


rule redraw:
    """Draw the figures of every published run again, and make its report, from its tables alone."""
    input:
        published(),
