"""Experiments that time a call: one forward pass, one training step, one decoded token.

in:  the experiment's section of the config and the models that it names
out: <results>/EXPERIMENT/model~M/seq_len~N/seed~S.parquet   one shard a cell
     <results>/tables/EXPERIMENT.{csv,parquet,md}            one row per (model, seq_len)
     <results>/tables/EXPERIMENT_cells.parquet               one row a cell, for the figures
     <results>/tables/{scaling,ratios}.{csv,parquet,md}      what the times say
     <results>/figures/time.{png,svg}                        README figure 1
     <results>/figures/forward_memory.{png,svg}              the memory of a forward pass
"""


rule timing:
    input:
        multiext("<results>/tables/timing", ".csv", ".parquet", ".md"),
        "<results>/tables/timing_cells.parquet",
        multiext("<results>/tables/scaling", ".csv", ".parquet", ".md"),
        multiext("<results>/tables/ratios", ".csv", ".parquet", ".md"),
        multiext("<results>/figures/time", ".png", ".svg"),
        multiext("<results>/figures/forward_memory", ".png", ".svg"),


rule timing_cell:
    """Time one model at one length, in turns with the reference, in a fresh process on an idle machine."""
    output:
        "<results>/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment="|".join(grid.timed),
    params:
        model=grid.model,
        reference=grid.reference,
        settings=grid.settings,
        code=grid.code,
    log:
        "<results>/logs/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: grid.priority
    threads: workflow.cores
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/timing_cell.py"


rule timing_table:
    """Aggregate the cells of an experiment over processes; a missing or foreign shard stops it."""
    input:
        shards=grid.shards,
        code=sources("workflow.scripts.timing_table"),
    output:
        csv="<results>/tables/{experiment}.csv",
        parquet="<results>/tables/{experiment}.parquet",
        md="<results>/tables/{experiment}.md",
        cells="<results>/tables/{experiment}_cells.parquet",
    wildcard_constraints:
        experiment="|".join(grid.timed),
    params:
        cells=grid.cells,
    log:
        "<results>/logs/{experiment}_table.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/timing_table.py"


rule time_figure:
    """Draw time against sequence length: the first README figure."""
    input:
        table="{run}/tables/timing.parquet",
        cells="{run}/tables/timing_cells.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.time_figure"),
    output:
        png=report("{run}/figures/time.png", caption="../report/time.rst", category="Speed"),
        svg="{run}/figures/time.svg",
    params:
        panels=["linear", "log"],
        call="a forward pass",
        length="sequence length (tokens)",
    log:
        "<results>/logs/figures/{run}/time.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/time_figure.py"


use rule time_figure as forward_memory_figure with:
    output:
        png=report(
            "{run}/figures/forward_memory.png",
            caption="../report/forward_memory.rst",
            category="Speed",
        ),
        svg="{run}/figures/forward_memory.svg",
    params:
        panels=["memory"],
        call="a forward pass",
        length="sequence length (tokens)",
    log:
        "<results>/logs/figures/{run}/forward_memory.log",
