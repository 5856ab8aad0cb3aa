"""LSTM or Transformer? From config.yaml to shards, tables, figures and verdicts."""

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


include: "workflow/rules/timing.smk"
include: "workflow/rules/recall.smk"


rule all:
    default_target: True
    input:
        rules.timing.input,
        rules.recall.input,
