"""The config, checked before anything runs: one sentence for each thing that is wrong."""

import copy
import csv
import math
import os
from pathlib import Path

import yaml

from workflow.seqbench import models, tasks, workloads
from workflow.seqbench.checking import Loader, nearest, repetitions, schema_of, violations
from workflow.seqbench.experiments import KINDS, ConfigError, Plan, options_of, resolve
from workflow.seqbench.sources import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
TARGETS = ("all", "cells", "fairness", "verdicts", "compare", "figures", "publish", "redraw")
FOLDERS = ("tables", "logs", "reference")  # beside those of the experiments
KEPT = ("workflow", "tests", "docs", "envs", "profiles", "results/reference")  # not for runs


def check(config, local=True, files=()):
    """The Plan of a config; ConfigError with one sentence for each thing that is wrong with it.

    local: the jobs run on this machine, so its cores and GPU must do. files: those that `config`
    was merged from. `config` stays as it is.
    """
    files = [*files]
    for path in files:
        readable(path)
    refuse(f"{path}, {problem}" for path in files for problem in repetitions(path))
    config, schema = copy.deepcopy(config), schema_of(SCHEMA)
    refuse(violations(config, schema))
    refuse(folder_problems(config["pathvars"]["results"]))
    config["experiments"] = resolve(config["experiments"])
    refuse(kind_problems(config["experiments"]))
    refuse(
        problem
        for name, experiment in config["experiments"].items()
        for rules in [{"$ref": f"#/$defs/{experiment['kind']}", "$defs": schema["$defs"]}]
        for problem in violations(experiment, rules, f"experiments.{name}")
    )
    refuse(model_problems(config))
    refuse(machine_problems(config) if local else [])
    return Plan(config, tuned_rates(Plan(config)))


def readable(path):
    """ConfigError where a config file, if there is one, cannot be read: of some Snakemake says no sentence."""
    try:
        if Path(path).is_file():
            yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, ValueError) as error:
        refuse([f"{path} cannot be read: {error}"])


def refuse(problems):
    """Raise a ConfigError that names all problems, where there are any."""
    if problems := dict.fromkeys(problems):
        raise ConfigError("\n".join(" ".join(problem.split()) for problem in problems))


def folder_problems(results):
    """A folder for the run in which it would destroy what is there, or not be a folder."""
    path = Path(results).resolve()
    roots = {ROOT, Path.cwd().resolve()}
    if any(path in (root, *root.parents) for root in roots):
        yield f"pathvars.results is {results!r}; the project itself is in it; name another folder"
    for kept in {(root / name).resolve() for root in roots for name in KEPT}:
        if kept in (path, *path.parents):
            yield f"pathvars.results is {results!r}; {kept.name} is the project's own, and a run would write over it; name another folder"
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            yield f"pathvars.results is {results!r}; {part} is a file"


def kind_problems(experiments):
    """Experiments without a kind, or whose name is that of another target."""
    for name, experiment in experiments.items():
        if name in (*TARGETS, *FOLDERS):
            what = "target of the workflow" if name in TARGETS else "folder in a run's results"
            yield f"experiments.{name}: the name is that of a {what}; choose another"
        if experiment.get("kind") not in KINDS:
            yield (
                f"experiments.{name}.kind is {experiment.get('kind')!r}; allowed: {', '.join(KINDS)}"
                " (or name an experiment that it is like)"
            )


def model_problems(config):
    """Models that are missing, cannot be built, or do not fit the experiments that name them."""
    for name, part in config["experiments"].items():
        for key, allowed in (("task", tasks.tasks()), ("workload", workloads.workloads())):
            if key in part and part[key] not in allowed:
                yield f"experiments.{name}.{key} is {part[key]!r}; allowed: {', '.join(allowed)}"
        named = {key: part[key] for key in ("models", "seq_lens_of", "seeds_of")}
        named["relative_to"] = [part["relative_to"]] if "relative_to" in part else []
        for key, names in named.items():
            for model in names:
                if model not in config["models"]:
                    yield (
                        f"experiments.{name}.{key} names {model}, which models: does not define"
                        f"{nearest(model, config['models'])}"
                    )
    for name, entry in config["models"].items():
        architecture = entry["architecture"]
        try:
            known = models.options(architecture)
        except LookupError as error:
            yield (
                f"models.{name}.architecture is {architecture!r}: {error}; it must be package.module:Class"
                f" or one of {', '.join(models.architectures())}"
            )
            continue
        for experiment, part in config["experiments"].items():
            if name in (*part["models"], part.get("relative_to")):
                yield from option_problems(config, experiment, name, known)


def option_problems(config, experiment, name, known):
    """Options of one model in one experiment that its architecture does not take.

    known: what its constructor takes, or None for anything.
    """
    part = config["experiments"][experiment]
    options = options_of(config, name, part["kind"])
    if known is not None:
        allowed = [*known, *models.FRAME_OPTIONS]
        for key in options:
            if key not in (*allowed, "architecture"):
                yield (
                    f"models.{name}: unknown option {key} for the architecture {options['architecture']}"
                    f"{nearest(key, allowed)}"
                )
        for key, default in known.items():
            if default is models.REQUIRED and key not in options:
                yield f"models.{name} lacks {key}, which the architecture {options['architecture']} needs"
    if part.get("ask_at") == "every_position" and options.get("readout", "last") != "last":
        yield f"models.{name}.readout is not last, which experiments.{experiment}.ask_at needs"
    if options.get("positions") == "rotary" and options.get("attention", "encoder") == "encoder":
        yield f"models.{name}.positions is 'rotary', which needs attention: math or sdpa"
    heads = options.get("heads", (known or {}).get("heads", 1))
    if isinstance(heads, int) and part["d_model"] % heads:
        yield (
            f"models.{name}.heads is {heads}; it must divide experiments.{experiment}.d_model,"
            f" which is {part['d_model']}"
        )
    target = options.get("match_parameters_to")
    if target is None:
        return
    if target not in config["models"]:
        yield f"models.{name}.match_parameters_to is {target!r}{nearest(target, config['models'])}"
    elif "match_parameters_to" in options_of(config, target, part["kind"]):
        yield f"models.{name}.match_parameters_to is {target!r}, which is matched to another itself"
    if "dim_feedforward" in options or "dim_feedforward" not in (known or options):
        yield (
            f"models.{name}.match_parameters_to finds dim_feedforward, which the model"
            f" {'sets itself' if 'dim_feedforward' in options else 'does not have'}"
        )


def machine_problems(config):
    """Threads or a device that this machine does not have."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name, part in config["experiments"].items():
        if part["threads"] > cores and not part["on_demand"]:  # which is told when it runs
            yield f"experiments.{name}.threads is {part['threads']}; this machine has {cores} cores"
        if part["device"] == "cuda":
            import torch  # two seconds, so only where it is needed

            if not torch.cuda.is_available():
                yield (
                    f"experiments.{name}.device is 'cuda'; torch finds no CUDA device on this machine"
                    " (allowed: cpu)"
                )


def tuned_rates(plan):
    """{(model, seq_len): rate}: what the tables `tuned_by` mark as chosen, the first that has one.

    Tables are read where an lr is tuned, from the working directory or else from the workflow's. One
    that is not there has no rates; a cell that needs one which no table has says so.
    """
    trained = [plan.settings(e, **c)["lr"] for e in plan.names("training") for c in plan.cells(e)]
    rates = {}
    for name in plan.config["tuned_by"] if "tuned" in trained else ():
        path = Path(name) if Path(name).is_file() else ROOT / name
        try:
            rows = csv.DictReader(path.read_text().splitlines()) if path.is_file() else ()
            for row in (row for row in rows if row["chosen"] == "True"):
                cell, rate = (row["model"], int(row["seq_len"])), float(row["lr"])
                if not 0 < rate < math.inf:
                    raise ValueError(f"lr is {rate}; it must be a finite number greater than 0")
                rates.setdefault(cell, rate)
        except (LookupError, ValueError, TypeError, csv.Error) as error:
            columns = "model, seq_len, lr and chosen"
            refuse([f"tuned_by names {path}, which is no table of {columns}: {error}"])
    return rates
