"""LSTM or Transformer? From config.yaml to shards, tables, figures and verdicts."""

from pathlib import Path

from snakemake.utils import min_version, validate

from workflow.seqbench.config import Experiment, check
from workflow.seqbench.sources import sources

min_version("9.27")


configfile: "config.yaml"


check(config)
validate(config, "workflow/schemas/config.schema.yaml")


wildcard_constraints:
    model="|".join(config["models"]),
    seq_len=r"\d+",
    seed=r"\d+",
    # A figure belongs to this run or to a published one.
    run=f"{config['pathvars']['results']}|results/reference/[^/]+",


include: "workflow/rules/timing.smk"
include: "workflow/rules/recall.smk"


rule all:
    default_target: True
    input:
        rules.timing.input,
        rules.recall.input,


include: "workflow/rules/publish.smk"
