"""The fairness ledger: what each model is given in each experiment.

in:  config["models"] and every experiment that names them; the code of their architectures
out: <results>/tables/fairness.{csv,parquet,md}   one row per (experiment, model, seq_len)
"""

from workflow.seqbench.models import locate


rule fairness:
    input:
        multiext("<results>/tables/fairness", ".csv", ".parquet", ".md"),


rule fairness_table:
    """Build every model of every experiment and count what it has, computes, carries and was tuned."""
    input:
        code=sources("workflow.scripts.fairness_table"),
        models=sorted(
            {
                path
                for model in config["models"].values()
                for path in sources(locate(model["architecture"])[0])
            }
        ),
    output:
        csv=report(
            "<results>/tables/fairness.csv", caption="../report/fairness.rst", category="Fairness"
        ),
        parquet="<results>/tables/fairness.parquet",
        md="<results>/tables/fairness.md",
    params:
        config={name: config[name] for name in ["models", *grid.timed, *grid.trained, "tuning"]},
    log:
        "<results>/logs/fairness_table.log",
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/fairness_table.py"
