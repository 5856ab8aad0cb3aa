"""Around the jobs: what a killed run left is cleared; at the end a manifest and, if need be, a summary.

out: <results>/manifest.json   not where the results are in a bucket
"""

import atexit
import json
import shutil
import subprocess
from collections import Counter
from datetime import datetime

from snakemake.common import __version__
from workflow.seqbench.log import UserError, command, quoted
from workflow.seqbench.running import mend_times, own_folder, take_over

if not workflow.remote_exec:
    take_over()
    mend_times(plan.results)

# Runs whose cells tell what others cost.
EARLIER = plan.results, f"results/reference/{plan.device()}"


onstart:
    own_folder()
    # A statement that cannot be judged is told before the first job; the import takes a second.
    from workflow.seqbench.judging import statements

    statements.load_all(*(path for path in rules.judge.input if "statements/" in path))
    no_second_looks()
    if workflow.resource_settings.nodes is not None:
        refuse_jobs_left()
    else:
        time, seconds = ahead()
        logger.info(time, extra={"expected": seconds})  # read by workflow/logger


onsuccess:
    conclude("complete")
    look_at()


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


def refuse_jobs_left():
    """Stop where a killed run of this folder has jobs in Slurm's queue, which would be done twice."""
    if not shutil.which("squeue"):
        return
    columns = "--states=PENDING,RUNNING,SUSPENDED", "--format=%j|%Z"
    asked = subprocess.run(
        ["squeue", "--me", "--noheader", *columns], capture_output=True, text=True
    )
    if asked.returncode:
        raise UserError(f"squeue does not say which jobs are in the queue: {asked.stderr.strip()}")
    ends = "seqbench", f"|{os.getcwd()}"  # profiles/slurm adds an id, profiles/cluster-generic none
    left = [x for x in asked.stdout.splitlines() if x.startswith(ends[0]) and x.endswith(ends[1])]
    if left:
        raise UserError(
            f"a killed run of this folder left jobs in Slurm's queue ({len(left)});"
            " profiles/slurm/run cancels them and goes on"
        )


def conclude(outcome):
    """Write the manifest of this run, and say what it lacks."""
    from workflow.seqbench.results import manifest

    if workflow.storage_settings.default_storage_provider or plan.config["incomplete"]:
        return  # the cells are in a bucket, or those that lack were not asked for

    def seconds(job):
        record = workflow.persistence.metadata(job.output[0])
        return record.endtime - record.starttime if record else None

    cells = [job for job in workflow.dag.jobs if "seed" in job.wildcards_dict]
    path = Path(plan.results, "manifest.json")
    if not any(map(workflow.dag.needrun, cells)) and (not cells or told(path, cells)):
        return
    jobs = [(job.wildcards_dict, job.output[0], job.log[0], seconds(job)) for job in cells]
    lacking = manifest.write(
        path,
        plan,
        jobs,
        outcome=outcome,
        command=command(),
        snakemake=__version__,
        began=workflow.start_time.isoformat(timespec="seconds"),
        seconds=round((datetime.now() - workflow.start_time).total_seconds(), 1),
    )
    if lacking:
        same = f"{command()} -- {quoted(sorted(workflow.dag_settings.targets))}"
        print(manifest.summary(lacking, same.removesuffix(" --")), file=sys.stderr)


def told(path, cells):
    """Whether the manifest is that of a complete run that made these cells, of which this one made none."""
    try:
        about = json.loads(path.read_text())
        asked = {name: part["cells"]["expected"] for name, part in about["experiments"].items()}
    except (OSError, ValueError, LookupError, TypeError):
        return False  # there is none, half of one, or one of another version
    here = Counter(job.wildcards_dict["experiment"] for job in cells)
    same = all(asked.get(name, 0) >= count for name, count in here.items())
    made = max(os.path.getmtime(job.output[0]) for job in cells)
    return about.get("outcome") == "complete" and same and made < path.stat().st_mtime


def look_at():
    """Say where the report is, and what the full run adds to this one."""
    from workflow.seqbench.results import costs

    page = f"{plan.results}/report/index.html"
    if any(page in job.output for job in workflow.dag.jobs):
        text = f"Done. Open {page} in a browser; figures/ and tables/ are beside it."
        more = costs.full_run(plan, costs.read(EARLIER), workflow.cores) if HERE else ""
        logger.info("\n".join(filter(None, [text, more])), extra={"expected": {}})


def ahead():
    """How long the cells take that are to run, in words, and the seconds of each by its job's number."""
    from workflow.seqbench.results import costs

    jobs = [job for job in workflow.dag.jobs if "seed" in job.wildcards_dict]
    jobs = [job for job in jobs if workflow.dag.needrun(job)]
    known = costs.read(EARLIER)
    asked = [job.wildcards_dict for job in jobs], known, plan.names("timing"), workflow.cores
    seconds = [seconds for seconds, _ in costs.of_each(*asked)]
    return costs.sentence(*asked), dict(zip(map(workflow.dag.jobid, jobs), seconds))


def tell_time():
    """At the end of a dry run: how long what would run will take."""
    if workflow.dryrun and getattr(workflow, "_dag", None):
        print(ahead()[0])


atexit.register(tell_time)
