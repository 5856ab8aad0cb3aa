"""Around the jobs: what a killed run left is cleared; at the end a manifest and, if need be, a summary.

out: <results>/manifest.json   not where the results are in a bucket
"""

import atexit
from datetime import datetime

from snakemake.common import __version__
from workflow.seqbench.log import command
from workflow.seqbench.running import mend_times, own_folder, take_over

if not workflow.remote_exec:
    take_over()
    mend_times(plan.results)


onstart:
    # A statement that cannot be judged is told before the first job; the import takes a second.
    from workflow.seqbench.judging import statements

    statements.load_all(*(path for path in rules.judge.input if "statements/" in path))
    own_folder()
    no_second_looks()
    if workflow.resource_settings.nodes is None:
        time, seconds = ahead()
        logger.info(time, extra={"expected": seconds})  # read by workflow/logger


onsuccess:
    conclude("complete")


onerror:
    conclude("not complete")


def no_second_looks():
    """Keep Snakemake from looking at all waiting jobs again and again, beside the cell that is timed.

    Under its limit on jobs a second, also the default of 100, each job that it starts has it look again
    each second until the end (snakemake#3804): a third of a core after 500 cells.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def conclude(outcome):
    """Write the manifest of this run, and say what it lacks."""
    from workflow.seqbench.results import manifest

    if workflow.storage_settings.default_storage_provider:
        return  # the cells are in a bucket, not here

    def seconds(job):
        record = workflow.persistence.metadata(job.output[0])
        return record.endtime - record.starttime if record else None

    jobs = [
        (job.wildcards_dict, job.output[0], job.log[0], seconds(job))
        for job in workflow.dag.jobs
        if "seed" in job.wildcards_dict
    ]
    if not jobs:
        return
    lacking = manifest.write(
        f"{plan.results}/manifest.json",
        plan,
        jobs,
        outcome=outcome,
        command=command(),
        snakemake=__version__,
        began=workflow.start_time.isoformat(timespec="seconds"),
        seconds=round((datetime.now() - workflow.start_time).total_seconds(), 1),
    )
    if lacking:
        print(manifest.summary(lacking, command()), file=sys.stderr)


def ahead():
    """How long the cells take that are to run, in words, and the seconds of each by its job's number."""
    from workflow.seqbench.results import costs

    jobs = [job for job in workflow.dag.jobs if "seed" in job.wildcards_dict]
    jobs = [job for job in jobs if workflow.dag.needrun(job)]
    folders = plan.results, f"results/reference/{plan.device()}"
    known = costs.read(f"{folder}/tables/costs.csv" for folder in folders)
    asked = [job.wildcards_dict for job in jobs], known, plan.names("timing"), workflow.cores
    seconds = [seconds for seconds, _ in costs.of_each(*asked)]
    return costs.sentence(*asked), dict(zip(map(workflow.dag.jobid, jobs), seconds))


def tell_time():
    """At the end of a dry run: how long what would run will take."""
    if workflow.dryrun and getattr(workflow, "_dag", None):
        print(ahead()[0])


atexit.register(tell_time)
