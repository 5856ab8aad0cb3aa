"""The report of a run: one HTML page to explore it, made from its tables."""

from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.showing import page


def main(tables, run, html):
    """tables: the run's Parquet tables; run: its folder."""
    Path(html).write_text(page.render(tables, run), encoding="utf-8")


if __name__ == "__main__":
    log.run(main, snakemake)
