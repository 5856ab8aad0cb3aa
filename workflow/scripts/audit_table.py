"""The table of the audit, from what the notebook printed and this run's tables."""

from pathlib import Path

import pandas as pd

from workflow.seqbench import log, tables
from workflow.seqbench.audit.table import for_people, table


def main(printed, cells, curves, csv, parquet, md):
    """`printed`, `cells` and `curves` map names of experiments to paths of tables."""
    audit = table(
        {name: pd.read_csv(path) for name, path in printed.items()},
        {name: pd.read_parquet(path) for name, path in cells.items()},
        {name: pd.read_parquet(path) for name, path in curves.items()},
    )
    tables.write_table(audit, csv, parquet)
    Path(md).write_text(for_people(audit))


if __name__ == "__main__":
    log.redirect(snakemake.log[0])
    given, out = snakemake.input, snakemake.output
    main(
        {"timing": given.printed_timing, "recall": given.printed_recall},
        {name: given[name] for name in ("timing", "timing_audit", "recall", "recall_audit")},
        {"recall": given.recall_curves, "recall_audit": given.recall_audit_curves},
        out.csv,
        out.parquet,
        out.md,
    )
