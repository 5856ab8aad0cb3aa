"""Experiment 2, memory: training models to recall the first token.

in:  config["recall"] and the models that it names
out: <results>/recall/model~M/seq_len~N/seed~S.parquet   one shard a cell
     <results>/tables/recall.{csv,parquet,md}            one row per (model, seq_len)
     <results>/figures/memory.{png,svg}                  README figure 2
"""

recall_cells = Experiment("recall", config, "recall_cell")


rule recall:
    input:
        multiext("<results>/tables/recall", ".csv", ".parquet", ".md"),
        "<results>/tables/recall_cells.parquet",
        "<results>/tables/recall_curves.parquet",
        multiext("<results>/figures/memory", ".png", ".svg"),


rule recall_cell:
    """Train one model at one length from one seed; cells fill the machine side by side."""
    input:
        code=recall_cells.code,
    output:
        "<results>/recall/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    log:
        "<results>/logs/recall/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: recall_cells.priority
    conda:
        "../../envs/torch.yaml"
    threads: config["recall"]["threads"]
    params:
        model=recall_cells.model,
        settings=recall_cells.settings,
    script:
        "../scripts/recall_cell.py"


rule recall_table:
    """Aggregate the recall cells over seeds; a missing or foreign shard stops it."""
    input:
        shards=recall_cells.shards,
        code=sources("workflow.scripts.recall_table"),
    output:
        csv="<results>/tables/recall.csv",
        parquet="<results>/tables/recall.parquet",
        md="<results>/tables/recall.md",
        cells="<results>/tables/recall_cells.parquet",
        curves="<results>/tables/recall_curves.parquet",
    log:
        "<results>/logs/recall_table.log",
    conda:
        "../../envs/report.yaml"
    params:
        cells=recall_cells.cells,
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
