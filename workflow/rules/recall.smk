"""Experiments that train a model to recall the first token of a sequence.

in:  the experiment's section of the config and the models that it names
out: <results>/EXPERIMENT/model~M/seq_len~N/seed~S.parquet   one shard a cell
     <results>/tables/EXPERIMENT.{csv,parquet,md}            one row per (model, seq_len)
     <results>/tables/EXPERIMENT_{cells,curves}.parquet      one row a cell, one a step
     <results>/figures/memory.{png,svg}                      README figure 2
"""


rule recall:
    input:
        multiext("<results>/tables/recall", ".csv", ".parquet", ".md"),
        "<results>/tables/recall_cells.parquet",
        "<results>/tables/recall_curves.parquet",
        multiext("<results>/figures/memory", ".png", ".svg"),


rule recall_cell:
    """Train one model at one length from one seed; cells fill the machine side by side."""
    output:
        "<results>/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    wildcard_constraints:
        experiment="|".join(grid.trained),
    params:
        model=grid.model,
        settings=grid.settings,
        code=grid.code,
    log:
        "<results>/logs/{experiment}/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: grid.priority
    threads: grid.threads
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/recall_cell.py"


rule recall_table:
    """Aggregate the cells of an experiment over seeds; a missing or foreign shard stops it."""
    input:
        shards=grid.shards,
        code=sources("workflow.scripts.recall_table"),
        task=grid.task,
    output:
        csv="<results>/tables/{experiment}.csv",
        parquet="<results>/tables/{experiment}.parquet",
        md="<results>/tables/{experiment}.md",
        cells="<results>/tables/{experiment}_cells.parquet",
        curves="<results>/tables/{experiment}_curves.parquet",
    wildcard_constraints:
        experiment="|".join(grid.trained),
    params:
        cells=grid.cells,
    log:
        "<results>/logs/{experiment}_table.log",
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/recall_table.py"


rule memory_figure:
    """Draw loss against training steps: the second README figure."""
    input:
        table="{run}/tables/recall.parquet",
        cells="{run}/tables/recall_cells.parquet",
        curves="{run}/tables/recall_curves.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.memory_figure"),
    output:
        png=report("{run}/figures/memory.png", caption="../report/memory.rst", category="Memory"),
        svg="{run}/figures/memory.svg",
    log:
        "<results>/logs/figures/{run}/memory.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/memory_figure.py"
