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


def asks(question):
    """A function of a job's wildcards from one of their values by name."""
    return lambda wildcards: question(**dict(wildcards.items()))


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


def tables_of(run):
    """Parquet tables of a run: those that this config makes, or those that a published run has."""
    if run != plan.results:
        return sorted(map(str, Path(run, "tables").glob("*.parquet")))
    names = ["ratios", "scaling", "distance", "gradient_flow", "attention", "fairness"]
    names += ["findings", "verdicts", "expectations", "audit", "answers"]
    for experiment in plan.names(on_demand=False):
        names += [experiment, f"{experiment}_cells", f"{experiment}_{plan.lists(experiment)}"]
    return [f"{run}/tables/{name}.parquet" for name in names]
