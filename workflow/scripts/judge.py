"""Findings on every statement, and the tables of verdicts, expectations and the audit."""

from workflow.seqbench import log
from workflow.seqbench.judging import statements, verdicts
from workflow.seqbench.judging.judge import findings
from workflow.seqbench.results.selecting import Run
from workflow.seqbench.showing import tables


def main(
    claims,
    expectations,
    audit,
    answers,
    cells,
    original,
    findings_tables,
    verdict_tables,
    expectation_tables,
    audit_tables,
    answer_tables,
):
    """claims, expectations, audit, answers: files of statements; cells: cells and curves of this run;
    original: the cells that the notebook printed. The last five list the paths of each table.
    """
    run = Run.of_files([*cells, *original])
    files = claims, expectations, audit, answers
    claims, expectations, audit, answers = map(statements.load, files)
    judged = findings([*claims, *expectations, *audit, *answers], run)
    tables.write(judged, *findings_tables)
    verdict = verdicts.verdict_table(claims, judged)
    tables.write(verdict, *verdict_tables, shown=tables.view("verdicts", verdict))
    expected = verdicts.expectation_table(expectations, judged)
    tables.write(expected, *expectation_tables, shown=tables.view("expectations", expected))
    steps = verdicts.audit_table(audit, judged)
    tables.write(steps, *audit_tables, shown=tables.audit(steps))
    short = verdicts.answer_table(answers, judged)
    tables.write(short, *answer_tables, shown=tables.answers(short))


if __name__ == "__main__":
    log.run(main, snakemake)
