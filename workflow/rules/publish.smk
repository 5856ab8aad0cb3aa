"""The published run: promoting this run to it, and drawing it again.

in:  every table and figure of this run
out: results/reference/<device>/{config.yaml,tables,figures}   the published run, tracked by git
     README.md                                                 the blocks that are generated from it
"""

# Each figure, and the table without which it cannot be drawn.
FIGURES = {
    "time": "timing",
    "forward_memory": "timing",
    "memory": "recall",
    "distance": "distance",
    "gradient_flow": "gradient_flow",
    "attention": "attention",
    "tuning": "tuning",
    "audit": "audit",
    "train_step": "train_step",
    "decode": "decode",
}


rule publish:
    """Promote this run to the reference run and rewrite the README's numbers. Always runs when asked for."""
    input:
        files=rules.all.input,
        code=sources("workflow.scripts.publish"),
    params:
        config=config,
        device=config["timing"]["device"],
    log:
        "<results>/logs/publish.log",
    conda:
        "../../envs/report.yaml"
    script:
        "../scripts/publish.py"


rule redraw:
    """Draw the figures of every published run again, from its tables alone."""
    input:
        [
            table.parents[1] / "figures" / f"{figure}.png"
            for figure, name in FIGURES.items()
            for table in sorted(Path("results/reference").glob(f"*/tables/{name}.parquet"))
        ],
