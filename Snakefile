"""LSTM or Transformer? From config.yaml to shards, tables, figures and verdicts."""

from pathlib import Path

from snakemake.utils import min_version

from workflow.seqbench.config import Grid, check
from workflow.seqbench.sources import sources

min_version("9.27")


configfile: "config.yaml"


# Jobs that are submitted elsewhere (--jobs) look at the machine they land on themselves.
check(config, local=workflow.resource_settings.nodes is None and not workflow.remote_exec)
grid = Grid(config)


wildcard_constraints:
    model="|".join(config["models"]),
    seq_len=r"\d+",
    seed=r"\d+",
    lr=r"[0-9.e-]+",
    # A figure belongs to this run or to a published one.
    run=f"{config['pathvars']['results']}|results/reference/[^/]+",


include: "workflow/rules/timing.smk"
include: "workflow/rules/recall.smk"
include: "workflow/rules/mechanism.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/fairness.smk"
include: "workflow/rules/train_step.smk"
include: "workflow/rules/decode.smk"
include: "workflow/rules/verdicts.smk"
include: "workflow/rules/expectations.smk"
include: "workflow/rules/compare.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, target).input for target in config["targets"]],


include: "workflow/rules/publish.smk"
