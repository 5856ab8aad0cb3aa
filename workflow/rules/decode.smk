"""The cost of generating: time of one token after a context, with a state, a cache, or neither.

in:  config["decode"]; cells and tables are made by the rules in timing.smk
out: <results>/tables/decode.{csv,parquet,md}, decode_cells.parquet
     <results>/figures/decode.{png,svg}
"""


rule decode:
    input:
        multiext("<results>/tables/decode", ".csv", ".parquet", ".md"),
        "<results>/tables/decode_cells.parquet",
        multiext("<results>/figures/decode", ".png", ".svg"),


use rule time_figure as decode_figure with:
    input:
        table="{run}/tables/decode.parquet",
        cells="{run}/tables/decode_cells.parquet",
        style="workflow/figures.mplstyle",
        code=sources("workflow.scripts.time_figure"),
    output:
        png=report(
            "{run}/figures/decode.png", caption="../report/decode.rst", category="Other costs"
        ),
        svg="{run}/figures/decode.svg",
    params:
        panels=["log"],
        call="one decoded token",
        length="context (tokens)",
    log:
        "<results>/logs/figures/{run}/decode.log",
