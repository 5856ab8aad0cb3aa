"""Figures: one for each experiment, and those of ratios, distance, gradients, attention and the audit.

in:  tables of a run, this one (<results>) or a published one (results/reference/DEVICE)
out: RUN/figures/time.{png,svg}            README figure 1, of the experiment timing
     RUN/figures/memory.{png,svg}          README figure 2, of the experiment recall
     RUN/figures/EXPERIMENT.{png,svg}      of every other experiment
     RUN/figures/{forward_ram,distance,gradient_flow,attention,audit,causes}.{png,svg}
"""


rule call_figure:
    """Draw what a call of {wildcards.figure} takes against sequence length."""
    input:
        table="{run}/tables/{figure}.parquet",
        cells="{run}/tables/{figure}_cells.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/{figure}.png", "call", "Speed", "{figure}"),
        svg="{run}/figures/{figure}.svg",
    wildcard_constraints:
        figure=either(name for name in plan.names("timing") if name != "timing"),
    params:
        panels=["log", "ram"],
        stacked=False,
        code=digest("workflow.scripts.call_figure"),
    log:
        "<results>/logs/figures/{run}/{figure}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/call_figure.py"


use rule call_figure as time_figure with:
    input:
        table="{run}/tables/timing.parquet",
        cells="{run}/tables/timing_cells.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/time.png", "time", "Speed", "time of a forward pass"),
        svg="{run}/figures/time.svg",
    params:
        panels=["linear", "log"],
        stacked=True,
        code=digest("workflow.scripts.call_figure"),
    log:
        "<results>/logs/figures/{run}/time.log",
    localrule: True


use rule time_figure as forward_ram_figure with:
    output:
        png=in_report(
            "{run}/figures/forward_ram.png", "forward_ram", "Speed", "RAM of a forward pass"
        ),
        svg="{run}/figures/forward_ram.svg",
    params:
        panels=["ram"],
        stacked=False,
        code=digest("workflow.scripts.call_figure"),
    log:
        "<results>/logs/figures/{run}/forward_ram.log",
    localrule: True


rule curves_figure:
    """Draw the training losses of {wildcards.figure} against steps."""
    input:
        table="{run}/tables/{figure}.parquet",
        cells="{run}/tables/{figure}_cells.parquet",
        curves="{run}/tables/{figure}_curves.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/{figure}.png", "memory", "Recall", "{figure}"),
        svg="{run}/figures/{figure}.svg",
    wildcard_constraints:
        figure=either(set(plan.names("training", swept=False)) - {"recall", "readout"}),
    params:
        code=digest("workflow.scripts.curves_figure"),
    log:
        "<results>/logs/figures/{run}/{figure}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/curves_figure.py"


use rule curves_figure as memory_figure with:
    input:
        table="{run}/tables/recall.parquet",
        cells="{run}/tables/recall_cells.parquet",
        curves="{run}/tables/recall_curves.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/memory.png", "memory", "Recall", "training curves"),
        svg="{run}/figures/memory.svg",
    log:
        "<results>/logs/figures/{run}/memory.log",
    localrule: True


rule rates_figure:
    """Draw how the learning rate decides what each model of {wildcards.figure} reaches."""
    input:
        table="{run}/tables/{figure}.parquet",
        cells="{run}/tables/{figure}_cells.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/{figure}.png", "rates", "Recall", "{figure}"),
        svg="{run}/figures/{figure}.svg",
    wildcard_constraints:
        figure=either(plan.names("training", swept=True)),
    params:
        code=digest("workflow.scripts.rates_figure"),
    log:
        "<results>/logs/figures/{run}/{figure}.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/rates_figure.py"


rule readout_figure:
    """Draw what each read-out is worth."""
    input:
        cells=[f"{{run}}/tables/{name}_cells.parquet" for name in ("readout", "recall")],
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/readout.png", "readout", "Recall", "read-outs"),
        svg="{run}/figures/readout.svg",
    params:
        code=digest("workflow.scripts.readout_figure"),
    log:
        "<results>/logs/figures/{run}/readout.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/readout_figure.py"


rule causes_figure:
    """Draw what the interventions show."""
    input:
        cells=expand("{{run}}/tables/{experiment}_cells.parquet", experiment=CAUSES),
        beside=asks(shown_beside),
        causes=static("statements/causes.yaml"),
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/causes.png", "causes", "Recall", "causes"),
        svg="{run}/figures/causes.svg",
    params:
        code=digest("workflow.scripts.causes_figure"),
    log:
        "<results>/logs/figures/{run}/causes.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/causes_figure.py"


rule distance_figure:
    """Draw who recalls the first token at which distance, and after how much training."""
    input:
        table="{run}/tables/distance.parquet",
        cells="{run}/tables/recall_cells.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/distance.png", "distance", "Recall", "distance"),
        svg="{run}/figures/distance.svg",
    params:
        code=digest("workflow.scripts.distance_figure"),
    log:
        "<results>/logs/figures/{run}/distance.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/distance_figure.py"


rule gradient_flow_figure:
    """Draw how much of the gradient reaches each position before, during and after training."""
    input:
        table="{run}/tables/gradient_flow.parquet",
        cells="{run}/tables/recall_cells.parquet",
        claims=static("statements/claims.yaml"),
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/gradient_flow.png", "gradient_flow", "Recall", "gradients"),
        svg="{run}/figures/gradient_flow.svg",
    params:
        code=digest("workflow.scripts.gradient_flow_figure"),
    log:
        "<results>/logs/figures/{run}/gradient_flow.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/gradient_flow_figure.py"


rule attention_figure:
    """Draw where trained models look."""
    input:
        table="{run}/tables/attention.parquet",
        cells="{run}/tables/recall_cells.parquet",
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/attention.png", "attention", "Recall", "attention"),
        svg="{run}/figures/attention.svg",
    params:
        code=digest("workflow.scripts.attention_figure"),
    log:
        "<results>/logs/figures/{run}/attention.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/attention_figure.py"


rule audit_figure:
    """Draw how each change of protocol moves the two results of the original."""
    input:
        table="{run}/tables/audit.parquet",
        cells="{run}/tables/timing_cells.parquet",
        trainings=asks(trainings_of),
        mplstyle=static("figures.mplstyle"),
        spec=static("figures.yaml"),
    output:
        png=in_report("{run}/figures/audit.png", "audit", "Audit", "the audit"),
        svg="{run}/figures/audit.svg",
    params:
        code=digest("workflow.scripts.audit_figure"),
    log:
        "<results>/logs/figures/{run}/audit.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/audit_figure.py"


rule figures:
    input:
        expand(
            "<results>/figures/{figure}.{suffix}",
            figure=[
                *map(plan.figure, plan.names(on_demand=False)),
                *("forward_ram", "distance", "gradient_flow", "attention", "audit"),
                *(["causes"] * (not set(CAUSES) - set(plan.names(on_demand=False)))),
            ],
            suffix=["png", "svg"],
        ),
