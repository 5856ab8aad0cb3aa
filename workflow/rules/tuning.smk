"""Tuning: which learning rate each model needs, every model with the same rates and seeds.

in:  config["tuning"], whose seeds are not those of the results
out: <results>/tuning/lr~L/model~M/seq_len~N/seed~S.parquet   one shard a training
     <results>/tables/tuning.{csv,parquet,md}                 one row per (model, seq_len, rate)
     <results>/figures/tuning.{png,svg}
"""


rule tune:
    input:
        multiext("<results>/tables/tuning", ".csv", ".parquet", ".md"),
        multiext("<results>/figures/tuning", ".png", ".svg"),


use rule recall_cell as tuning_cell with:
    output:
        "<results>/{experiment}/lr~{lr}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment="tuning",
    params:
        model=grid.model,
        settings=grid.tuning_settings,
        code=grid.code,
    log:
        "<results>/logs/{experiment}/lr~{lr}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",


rule tuning_table:
    """Compare the rates of each model: more seeds solved, then sooner, then a lower loss."""
    input:
        shards=grid.tuning_shards,
        code=sources("workflow.scripts.tuning_table"),
    output:
        csv="<results>/tables/{experiment}.csv",
        parquet="<results>/tables/{experiment}.parquet",
        md="<results>/tables/{experiment}.md",
    wildcard_constraints:
        experiment="tuning",
    params:
        cells=grid.cells,
        learning_rates=config["tuning"]["learning_rates"],
    log:
        "<results>/logs/{experiment}_table.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/tuning_table.py"


rule tuning_figure:
    """Draw how the learning rate decides what each model reaches."""
    input:
        table="{run}/tables/tuning.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.tuning_figure"),
    output:
        png=report("{run}/figures/tuning.png", caption="../report/tuning.rst", category="Memory"),
        svg="{run}/figures/tuning.svg",
    log:
        "<results>/logs/figures/{run}/tuning.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/tuning_figure.py"
