"""What the rules share: the names in paths, and how a rule asks the plan about a job."""

import os

import yaml

from workflow.seqbench.sources import ROOT


wildcard_constraints:
    model="|".join(config["models"]),
    seq_len=r"\d+",
    seed=r"\d+",
    lr=r"[0-9.e-]+",
    # A figure belongs to this run or to a published one.
    run=f"{plan.results}|results/reference/[^/]+",


# Cells that share a cluster's job run one after the other: `resources: cells=1` in a profile has the
# job ask for the time of all and the memory of one.
resource_scopes:
    cells="local",


def asks(question):
    """A function of a job's wildcards from one of their values by name."""
    return lambda wildcards: question(**dict(wildcards.items()))


def needs(what):
    """A function of a job's wildcards and attempt: how much of this resource it asks for."""
    return lambda wildcards, attempt: plan.needs(what, attempt, **dict(wildcards.items()))


def attempts_left(wildcards, attempt):
    """How often a job that lacks memory may still ask for more: where it is submitted, by `retries: 2`."""
    return 0 if HERE else 3 - attempt


def static(name):
    """A file of the workflow's own, as seen from the working directory."""
    return os.path.relpath(ROOT / "workflow" / name)


def table(name):
    """The three files of a table."""
    return multiext(f"<results>/tables/{name}", ".csv", ".parquet", ".md")


def either(names):
    """A wildcard's constraint to these names; one that nothing meets where there are none."""
    return "|".join(names) or "(?!)"


# Each figure, and the table without which it cannot be drawn.
FIGURES = {plan.figure(experiment): experiment for experiment in plan.names()} | {
    "forward_ram": "timing",
    "distance": "distance",
    "gradient_flow": "gradient_flow",
    "attention": "attention",
    "audit": "audit",
}


def published_figures():
    """The figures that can be drawn of the published runs; those of an older version are left as they are."""
    return [
        f"{reference.parent}/figures/{figure}.png"
        for reference in sorted(Path("results/reference").glob("*/config.yaml"))
        if "experiments" in yaml.safe_load(reference.read_text())
        for figure, table in FIGURES.items()
        if (reference.parent / f"tables/{table}.parquet").is_file()
    ]
