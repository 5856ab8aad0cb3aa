"""LSTM or Transformer? From config.yaml to shards, tables, figures and verdicts."""

import os
from pathlib import Path

from snakemake.utils import min_version

from workflow.seqbench.config import check, readable
from workflow.seqbench.models import locate
from workflow.seqbench.sources import digest

min_version("9.27")

readable("config.yaml")


configfile: "config.yaml"


report: "workflow/report/index.rst"


# Jobs that are submitted elsewhere (--jobs) look at the machine they land on themselves.
HERE = workflow.resource_settings.nodes is None and not workflow.remote_exec
plan = check(config, HERE, map(os.path.relpath, workflow.configfiles))


include: "workflow/rules/common.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/judging.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, experiment).input for experiment in plan.names(on_demand=False)],
        rules.figures.input,
        rules.fairness.input,
        rules.verdicts.input,
        "<results>/report/index.html",


include: "workflow/rules/publish.smk"
include: "workflow/rules/run.smk"
