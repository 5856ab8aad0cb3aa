"""Findings on every statement, and a table for each file of statements."""

from functools import partial
from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.judging import statements, verdicts
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables

expectations = verdicts.expectation_table, partial(tables.view, "expectations")
answers = verdicts.answer_table, tables.answers
# Of each table: the files of its statements, how it is made of findings, and how people see it.
TABLES = {
    "verdicts": ("claims", verdicts.verdict_table, tables.verdicts),
    "claims": ("claims", verdicts.verdict_table, partial(tables.view, "claims")),
    "causes": ("causes", *expectations),
    "expectations": ("expectations", *expectations),
    "not_held": ("causes expectations audit", verdicts.not_held, tables.not_held),
    "audit": ("audit", verdicts.audit_table, tables.audit),
    "answers": ("answers", *answers),
    "recall_answers": ("recall_answers", *answers),
}


def main(statement_files, cells, original, findings_tables, judged_tables):
    """statement_files: those of TABLES, in any order; cells: cells and curves of this run; original:
    the cells that the notebook printed; then the paths of the findings and of TABLES, in all formats.
    """
    run = Run.of_files([*cells, *original])
    names = [Path(path).stem for path in statement_files]
    of_file = dict(zip(names, statements.load_all(*statement_files), strict=True))
    judged = findings([statement for file in of_file.values() for statement in file], run)
    tables.write(judged, *findings_tables)
    for name, (files, make, show) in TABLES.items():
        table = make([statement for file in files.split() for statement in of_file[file]], judged)
        paths = [path for path in judged_tables if Path(path).stem == name]
        tables.write(table, *paths, shown=show(table))


if __name__ == "__main__":
    log.run(main, snakemake)
