"""Tables: those of each experiment, and those that are taken from several or from inside the cells.

in:  the shards of an experiment
out: <results>/tables/EXPERIMENT.{csv,parquet,md}     one row per (model, seq_len)
     <results>/tables/EXPERIMENT_cells.parquet        one row per cell
     <results>/tables/EXPERIMENT_samples.parquet      one row per sample of a timing
     <results>/tables/EXPERIMENT_curves.parquet       one row per training step
     <results>/tables/{ratios,scaling}.*              what the times say
     <results>/tables/{distance,gradient_flow,attention}.*   what the trainings of `recall` say
     <results>/tables/read_outs.*                     those of `recall` and `readout` side by side
     <results>/tables/fairness.*                      what each model is given
"""


rule timing_tables:
    """Aggregate the cells of {wildcards.experiment} over processes; a missing or foreign shard stops it."""
    input:
        unknown_table("{experiment}"),
        shards=asks(plan.shards),
        views=static("views.yaml"),
    output:
        csv="<results>/tables/{experiment}.csv",
        parquet="<results>/tables/{experiment}.parquet",
        md="<results>/tables/{experiment}.md",
        html=in_report("<results>/tables/{experiment}.html", "table", "Speed", "{experiment}"),
        cells_table="<results>/tables/{experiment}_cells.parquet",
        lists="<results>/tables/{experiment}_samples.parquet",
    wildcard_constraints:
        experiment=either(plan.names("timing")),
    params:
        cells=asks(plan.wanted),
        size=asks(plan.size),
        kind="timing",
        code=digest("workflow.scripts.experiment_tables"),
    log:
        "<results>/logs/{experiment}_tables.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/experiment_tables.py"


rule training_tables:
    """Aggregate the cells of {wildcards.experiment} over seeds; a missing or foreign shard stops it."""
    input:
        unknown_table("{experiment}"),
        shards=asks(plan.shards),
        views=static("views.yaml"),
    output:
        csv="<results>/tables/{experiment}.csv",
        parquet="<results>/tables/{experiment}.parquet",
        md="<results>/tables/{experiment}.md",
        html=in_report("<results>/tables/{experiment}.html", "table", "Recall", "{experiment}"),
        cells_table="<results>/tables/{experiment}_cells.parquet",
        lists="<results>/tables/{experiment}_curves.parquet",
    wildcard_constraints:
        experiment=either(plan.names("training")),
    params:
        cells=asks(plan.wanted),
        size=asks(plan.size),
        kind="training",
        code=digest("workflow.scripts.experiment_tables"),
    log:
        "<results>/logs/{experiment}_tables.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/experiment_tables.py"


rule comparison_tables:
    """Compare each model's times with the first one's, and measure how they grow."""
    input:
        cells=expand(
            "<results>/tables/{experiment}_cells.parquet",
            experiment=plan.names("timing", on_demand=False),
        ),
        views=static("views.yaml"),
    output:
        ratio_tables=table("ratios", "Speed"),
        scaling_tables=table("scaling", "Speed"),
    params:
        experiments=plan.names("timing", on_demand=False),
        margin=0.05,
        code=digest("workflow.scripts.comparison_tables"),
    log:
        "<results>/logs/comparison_tables.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/comparison_tables.py"


rule position_tables:
    """Summarise over seeds what reaches, and what is looked at, at each position of a sequence."""
    input:
        unknown_table("gradient_flow"),
        shards=lambda wildcards: plan.shards("recall"),
        views=static("views.yaml"),
    output:
        gradient_flow=table("gradient_flow", "Recall"),
        attention=table("attention", "Recall"),
    params:
        experiment="recall",
        cells=lambda wildcards: plan.wanted("recall"),
        code=digest("workflow.scripts.position_tables"),
    log:
        "<results>/logs/position_tables.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/position_tables.py"


rule distance_table:
    """Order the results of recall by the distance to the token that is to be recalled."""
    input:
        table="<results>/tables/recall.parquet",
        views=static("views.yaml"),
    output:
        csv="<results>/tables/distance.csv",
        parquet="<results>/tables/distance.parquet",
        md="<results>/tables/distance.md",
        html=in_report("<results>/tables/distance.html", "table", "Recall", "distance"),
    params:
        code=digest("workflow.scripts.distance_table"),
    log:
        "<results>/logs/distance_table.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/distance_table.py"


rule read_outs_table:
    """Put what each model learns with its last position read beside what it does with the mean of all."""
    input:
        experiments=expand("<results>/tables/{name}.parquet", name=READ_OUTS),
        spec=static("figures.yaml"),
        views=static("views.yaml"),
    output:
        csv="<results>/tables/read_outs.csv",
        parquet="<results>/tables/read_outs.parquet",
        md="<results>/tables/read_outs.md",
        html=in_report("<results>/tables/read_outs.html", "table", "Recall", "read_outs"),
    params:
        code=digest("workflow.scripts.read_outs_table"),
    log:
        "<results>/logs/read_outs_table.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/read_outs_table.py"


rule fairness_table:
    """Build every model of every experiment and count what it has, computes, carries and was tuned."""
    input:
        unknown_table("fairness"),
        views=static("views.yaml"),
    output:
        csv="<results>/tables/fairness.csv",
        parquet="<results>/tables/fairness.parquet",
        md="<results>/tables/fairness.md",
        html=in_report(
            "<results>/tables/fairness.html", "fairness", "Fairness", "what each model is given"
        ),
    params:
        config=plan.config,
        rates=plan.rates,
        code=digest(
            "workflow.scripts.fairness_table",
            *(locate(model["architecture"])[0] for model in config["models"].values()),
        ),
    log:
        "<results>/logs/fairness_table.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/fairness_table.py"


rule fairness:
    input:
        rules.fairness_table.output,


# A target for each experiment: its shards too, so that one that was deleted is made again.
for experiment in plan.names():

    rule:
        name:
            experiment
        input:
            lambda wildcards, experiment=experiment: plan.shards(experiment),
            multiext(f"<results>/tables/{experiment}", ".csv", ".parquet", ".md"),
            f"<results>/tables/{experiment}_cells.parquet",
            f"<results>/tables/{experiment}_{plan.lists(experiment)}.parquet",
            multiext(f"<results>/figures/{plan.figure(experiment)}", ".png", ".svg"),
