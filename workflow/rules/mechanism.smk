"""The mechanism: how recall depends on distance, how far gradients reach, where attention goes.

in:  <results>/recall/**.parquet, which hold what was seen inside each model
out: <results>/tables/{distance,gradient_flow,attention}.{csv,parquet,md}
     <results>/figures/{distance,gradient_flow,attention}.{png,svg}
"""


rule mechanism:
    input:
        multiext("<results>/tables/distance", ".csv", ".parquet", ".md"),
        multiext("<results>/tables/gradient_flow", ".csv", ".parquet", ".md"),
        multiext("<results>/tables/attention", ".csv", ".parquet", ".md"),
        multiext("<results>/figures/distance", ".png", ".svg"),
        multiext("<results>/figures/gradient_flow", ".png", ".svg"),
        multiext("<results>/figures/attention", ".png", ".svg"),


rule mechanism_tables:
    """Summarise over seeds what the recall shards hold of distance, gradients and attention."""
    input:
        shards=grid.shards_of("recall"),
        code=sources("workflow.scripts.mechanism_tables"),
    output:
        distance=multiext("<results>/tables/distance", ".csv", ".parquet", ".md"),
        gradient_flow=multiext("<results>/tables/gradient_flow", ".csv", ".parquet", ".md"),
        attention=multiext("<results>/tables/attention", ".csv", ".parquet", ".md"),
    params:
        cells=grid.cells_of("recall"),
    log:
        "<results>/logs/mechanism_tables.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/mechanism_tables.py"


rule mechanism_figure:
    """Draw one of the three from its table."""
    input:
        table="{run}/tables/{figure}.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.mechanism_figure"),
    output:
        png=report(
            "{run}/figures/{figure}.png", caption="../report/mechanism.rst", category="Mechanism"
        ),
        svg="{run}/figures/{figure}.svg",
    wildcard_constraints:
        figure="distance|gradient_flow|attention",
    log:
        "<results>/logs/figures/{run}/{figure}.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/mechanism_figure.py"
