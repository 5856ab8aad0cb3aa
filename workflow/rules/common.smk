"""What the rules share: the names in paths, and how a rule asks the plan about a job."""

import os
import re
import sys
from functools import cache
from inspect import signature

import yaml

from snakemake.io import IOFile
from snakemake_interface_executor_plugins.settings import ExecMode
from workflow.seqbench.log import remember_call
from workflow.seqbench.sources import ROOT

# The variable that tells a job's node how often the job is submitted at most.
ATTEMPTS = "SEQBENCH_ATTEMPTS"


wildcard_constraints:
    model="|".join(config["models"]),
    seq_len=r"\d+",
    seed=r"\d+",
    lr=r"[0-9.e-]+",
    # A figure belongs to this run or to a published one.
    run=f"{re.escape(plan.results)}|results/reference/[^/]+",


# Cells that share a cluster's job run one after the other: it asks for the time of all and the memory of
# the largest. There is no public way to say so in a workflow, and a profile's limit does not reach the job.
resource_scopes:
    cells="local",


if not HERE:
    workflow.global_resources["cells"] = 1


def asks(question):
    """A function of a job's wildcards from one of their values by name, which no seed changes."""
    answer = cache(lambda *names: question(**dict(names)))
    return described(lambda wildcards: answer(*but_seed(wildcards)))


@cache
def attempts():
    """How often a job is submitted at most: by `retries`, of which Snakemake itself tells no node."""
    if workflow.exec_mode == ExecMode.DEFAULT:
        # Calls that run nothing have no settings.
        retries = getattr(workflow.execution_settings, "retries", 0)
        os.environ[ATTEMPTS] = str(1 + retries)
    return int(os.environ.get(ATTEMPTS, 1))


def needs(what):
    """A function of a job's wildcards and attempt: how much of this resource it asks for."""
    answer = cache(lambda attempt, *names: plan.needs(what, attempt, attempts(), **dict(names)))
    return described(lambda wildcards, attempt: answer(attempt, *but_seed(wildcards)))


def described(function):
    """The function with its signature beside it, for which Snakemake asks many times a job."""
    function.__signature__ = signature(function)
    return function


def but_seed(wildcards):
    """(name, value) of each of a job's wildcards but its seed."""
    return (pair for pair in wildcards.items() if pair[0] != "seed")


def all_cores(wildcards):
    """All cores of this call of Snakemake, which `snakemake --unlock` need not name."""
    return workflow.cores


def attempts_left(wildcards, attempt):
    """How often a job that lacks memory may still ask for more, where it is submitted."""
    return attempts() - attempt


# Snakemake's records tell what has changed since a file was made, but they are lost with .snakemake/
# and do not come along with results that are copied. What follows are input functions that add no
# input; there is no public way to force a job only where it is needed.
@described
def foreign_shard(wildcards):
    """Make a shard again that another config or other code has made."""
    path = None if workflow.remote_exec else plan.foreign(**dict(wildcards.items()))
    return force(path, "another config or other code made it") if path else []


def unknown_table(name):
    """Make a table again of which Snakemake does not know how it was made."""

    def check(wildcards):
        path = f"{plan.results}/tables/{name.format(**dict(wildcards.items()))}.csv"
        unknown = os.path.exists(path) and workflow.persistence.metadata(IOFile(path)) is None
        return force(path, "no record says how") if unknown and not workflow.remote_exec else []

    return check


def force(path, reason):
    """Have the job of an output run; the first such is named."""
    if not workflow.dag.forcefiles:
        print(f"{path} is made again, {reason}; so is what else is like it.", file=sys.stderr)
    workflow.dag.forcefiles.add(path)
    return []


def static(name):
    """A file of the workflow's own, as seen from the working directory."""
    return local(os.path.relpath(ROOT / "workflow" / name))


def table(name, category):
    """The files of a table, as numbers and as people read it."""
    return [
        *multiext(f"<results>/tables/{name}", ".csv", ".parquet", ".md"),
        in_report(f"<results>/tables/{name}.html", "table", category, name),
    ]


def in_report(path, caption, category, what):
    """A file that `snakemake --report` shows."""
    caption = f"../report/{caption}.rst"
    return report(path, caption=caption, category=category, labels={"what": what})


def either(names):
    """A wildcard's constraint to these names; one that nothing meets where there are none."""
    return "|".join(names) or "(?!)"


# Experiments of which the figure `causes` is made.
CAUSES = ("recall", "readout", "forget_bias", "gradient_cut", "asked_at_end", "asked_everywhere")
CAUSES += ("curriculum",)
# Experiments that it shows where the run has them.
BESIDE = ("forget_bias_batch8", "forget_bias_batch128", "recall_positions", "uniform_attention")

# Experiments of which the table `read_outs` is made, and whether the default target makes all of them.
READ_OUTS = ("recall", "readout")
HAS_READ_OUTS = {*READ_OUTS} <= {*plan.names(on_demand=False)}

# What shows a run, and the table without which it cannot be made.
SHOWN = {f"figures/{plan.figure(name)}.png": name for name in plan.names()} | {
    "figures/forward_ram.png": "timing",
    "figures/distance.png": "distance",
    "figures/gradient_flow.png": "gradient_flow",
    "figures/attention.png": "attention",
    "figures/audit.png": "audit",
    "figures/causes.png": "curriculum",
    "report/index.html": "findings",
}


def published():
    """Figures and reports that can be made of published runs; those of an older version are left as they are."""
    return [
        f"{reference.parent}/{name}"
        for reference in sorted(Path("results/reference").glob("*/config.yaml"))
        if "experiments" in yaml.safe_load(reference.read_text())
        for name, table in SHOWN.items()
        if (reference.parent / f"tables/{table}.parquet").is_file()
    ]


def tables_of(run):
    """Parquet tables of a run: those that this config makes, or those that a published run has."""
    if run != plan.results:
        return [*map(str, sorted(Path(run, "tables").glob("*.parquet")))]
    names = ["ratios", "scaling", "distance", "gradient_flow", "attention", "fairness"]
    names += ["findings", "verdicts", "causes", "expectations", "audit"]
    names += ["answers", "recall_answers"]
    names += ["read_outs"] * HAS_READ_OUTS
    for experiment in plan.names(on_demand=False):
        names += [experiment, f"{experiment}_cells", f"{experiment}_{plan.lists(experiment)}"]
    return [f"{run}/tables/{name}.parquet" for name in names]


def trainings_of(run):
    """Cells of all trainings of a run but the sweeps."""
    names = {f"{name}_cells" for name in plan.names("training", swept=False)}
    return [table for table in tables_of(run) if Path(table).stem in names]


def shown_beside(run):
    """Cells of a run that the figure `causes` shows beside those that it takes."""
    wanted = {f"{run}/tables/{name}_cells.parquet" for name in BESIDE}
    return sorted(wanted & set(tables_of(run)))


remember_call(
    os.path.relpath(workflow.main_snakefile),
    [os.path.relpath(path) for path in workflow.overwrite_configfiles],
    workflow.config_settings.config_args,
)
