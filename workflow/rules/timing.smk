"""Experiment 1, speed: time and memory of one forward pass.

in:  config["timing"] and the models that it names
out: <results>/timing/model~M/seq_len~N/seed~S.parquet   one shard a cell
     <results>/tables/timing.{csv,parquet,md}            one row per (model, seq_len)
     <results>/figures/time.{png,svg}                    README figure 1
"""

timing_cells = Experiment("timing", config, "timing_cell")


rule timing:
    input:
        multiext("<results>/tables/timing", ".csv", ".parquet", ".md"),
        "<results>/tables/timing_cells.parquet",
        multiext("<results>/figures/time", ".png", ".svg"),


rule timing_cell:
    """Time one model at one length in a fresh process that has the machine for itself."""
    input:
        code=timing_cells.code,
    output:
        "<results>/timing/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet",
    log:
        "<results>/logs/timing/model~{model}/seq_len~{seq_len}/seed~{seed}.log",
    priority: timing_cells.priority
    conda:
        "../../envs/torch.yaml"
    threads: workflow.cores
    params:
        model=timing_cells.model,
        settings=timing_cells.settings,
    script:
        "../scripts/timing_cell.py"


rule timing_table:
    """Aggregate the timing cells over processes; a missing or foreign shard stops it."""
    input:
        shards=timing_cells.shards,
        code=sources("workflow.scripts.timing_table"),
    output:
        csv="<results>/tables/timing.csv",
        parquet="<results>/tables/timing.parquet",
        md="<results>/tables/timing.md",
        cells="<results>/tables/timing_cells.parquet",
    log:
        "<results>/logs/timing_table.log",
    conda:
        "../../envs/report.yaml"
    params:
        cells=timing_cells.cells,
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
    log:
        "<results>/logs/figures/{run}/time.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/time_figure.py"
