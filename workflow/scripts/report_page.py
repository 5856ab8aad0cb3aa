"""The report of a run: one HTML page to explore it, made from its tables."""

from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.showing import page


def main(tables, experiments, html):
    """tables: the run's Parquet tables; experiments: names of them in the page's order."""
    html = Path(html)
    html.write_text(page.render(tables, html.parents[1], experiments), encoding="utf-8")


if __name__ == "__main__":
    log.run(main, snakemake)
