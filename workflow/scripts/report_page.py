"""The report of a run: one HTML page to explore it, made from its tables."""

from workflow.seqbench import log
from workflow.seqbench.showing import files, page


def main(tables, shards, experiments, html):
    """tables: the run's Parquet tables; shards: path of a shard, with EXPERIMENT and CELL in it;
    experiments: names in the page's order.
    """
    text = page.render(tables, shards, experiments)
    with files.whole(html) as fresh:
        fresh.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    log.run(main, snakemake)
