"""The cost of training: time and memory of forward, backward and update.

in:  config["train_step"]; cells and tables are made by the rules in timing.smk
out: <results>/tables/train_step.{csv,parquet,md}, train_step_cells.parquet
     <results>/figures/train_step.{png,svg}
"""


rule train_step:
    input:
        multiext("<results>/tables/train_step", ".csv", ".parquet", ".md"),
        "<results>/tables/train_step_cells.parquet",
        multiext("<results>/figures/train_step", ".png", ".svg"),


use rule time_figure as train_step_figure with:
    input:
        table="{run}/tables/train_step.parquet",
        cells="{run}/tables/train_step_cells.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.time_figure"),
    output:
        png=report(
            "{run}/figures/train_step.png",
            caption="../report/train_step.rst",
            category="Other costs",
        ),
        svg="{run}/figures/train_step.svg",
    params:
        panels=["log", "memory"],
        call="a training step",
        length="sequence length (tokens)",
    log:
        "<results>/logs/figures/{run}/train_step.log",
