"""Findings on every statement, and the tables of verdicts, expectations and the audit."""

from workflow.seqbench import log
from workflow.seqbench.judging import judge
from workflow.seqbench.judging.statements import load_all
from workflow.seqbench.judging.verdicts import (
    answer_table,
    audit_table,
    expectation_table,
    verdict_table,
)
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables


def main(statements, cells, findings, verdicts, short, causes, expectations, audit, answers):
    """statements: files of claims, causes, expectations, audit and answers, in this order; cells:
    tables of cells and curves, of this run and of what the notebook printed. The rest are the paths
    of each table; short: a .md of claim, verdict and one number.
    """
    loaded = load_all(*statements)
    table = judge.findings([one for file in loaded for one in file], Run.of_files(cells))
    tables.write(table, *findings)
    claimed, caused, expected, audited, answered = loaded
    verdict = verdict_table(claimed, table)
    tables.write(verdict, *verdicts, shown=tables.verdicts(verdict))
    tables.write(tables.view("claims", verdict), short)
    for parts, paths in ((caused, causes), (expected, expectations)):
        found = expectation_table(parts, table)
        tables.write(found, *paths, shown=tables.view("expectations", found))
    steps = audit_table(audited, table)
    tables.write(steps, *audit, shown=tables.audit(steps))
    sentences = answer_table(answered, table)
    tables.write(sentences, *answers, shown=tables.answers(sentences))


if __name__ == "__main__":
    log.run(main, snakemake)
