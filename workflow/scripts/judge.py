"""Findings on every statement, and the tables of verdicts, expectations and the audit."""

from workflow.seqbench import log
from workflow.seqbench.judging import statements, verdicts
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables


def main(
    claims,
    causes,
    expectations,
    audit,
    answers,
    cells,
    original,
    findings_tables,
    verdict_tables,
    short_verdicts,
    cause_tables,
    expectation_tables,
    audit_tables,
    answer_tables,
):
    """claims, causes, expectations, audit, answers: files of statements; cells: cells and curves of
    this run; original: the cells that the notebook printed. The rest are the paths of each table;
    short_verdicts: a .md of claim, verdict and one number.
    """
    run = Run.of_files([*cells, *original])
    files = (claims, causes, expectations, audit, answers)
    claims, causes, expectations, audit, answers = statements.load_all(*files)
    judged = findings([*claims, *causes, *expectations, *audit, *answers], run)
    tables.write(judged, *findings_tables)
    verdict = verdicts.verdict_table(claims, judged)
    tables.write(verdict, *verdict_tables, shown=tables.verdicts(verdict))
    tables.write(tables.view("claims", verdict), short_verdicts)
    for statements_of, paths in ((causes, cause_tables), (expectations, expectation_tables)):
        table = verdicts.expectation_table(statements_of, judged)
        tables.write(table, *paths, shown=tables.view("expectations", table))
    steps = verdicts.audit_table(audit, judged)
    tables.write(steps, *audit_tables, shown=tables.audit(steps))
    short = verdicts.answer_table(answers, judged)
    tables.write(short, *answer_tables, shown=tables.answers(short))


if __name__ == "__main__":
    log.run(main, snakemake)
