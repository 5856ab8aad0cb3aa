"""The config: checked before anything runs, then asked by the rules what each cell needs."""

import copy
import difflib
import os

import yaml
from jsonschema import Draft202012Validator, validators

from workflow.seqbench import models, tasks, workloads
from workflow.seqbench.log import UserError
from workflow.seqbench.sources import ROOT, digest, sources

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
EXPERIMENTS = ("timing", "timing_audit", "train_step", "decode", "recall", "recall_audit", "tuning")
# Keys of a model's recall section that say how it is trained, not what it is.
TRAINING = ("lr", "steps")
# Keys of an experiment that span its cells.
AXES = ("models", "seq_lens", "seeds", "learning_rates")


class ConfigError(UserError):
    """The config asks for something that cannot be; one sentence a problem."""


def check(config, local=True):
    """Fill in defaults and raise ConfigError with one sentence for each thing that is wrong.

    local: the jobs run on this machine, so its cores and GPU must do.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    found = sorted(validator(schema).iter_errors(config), key=lambda e: list(e.path))
    problems = [sentence for error in found for sentence in sentences(error)]
    if not problems:
        problems = [*model_problems(config), *(machine_problems(config) if local else [])]
    if problems:
        raise ConfigError("\n".join(problems))


def validator(schema):
    """A JSON schema validator that fills in defaults, and to which 100.0 is no whole number."""
    properties = Draft202012Validator.VALIDATORS["properties"]

    def filling(validator, given, instance, parent):
        for key, part in given.items():
            if isinstance(instance, dict) and "default" in part:
                instance.setdefault(key, copy.deepcopy(part["default"]))
        yield from properties(validator, given, instance, parent)

    def is_integer(checker, value):
        return isinstance(value, int) and not isinstance(value, bool)

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    extended = validators.extend(Draft202012Validator, {"properties": filling}, type_checker=types)
    return extended(schema)


def sentences(error):
    """What a schema violation means, in words: the key, the value, what is allowed."""
    key = ".".join(map(str, error.absolute_path)) or "the config"
    value, wanted = error.instance, error.validator_value
    said = f"{key} is {value!r}; "
    match error.validator:
        case "additionalProperties":
            allowed = list(error.schema.get("properties", {}))
            for name in value:
                if name not in allowed:
                    path = f"{key}.{name}" if error.absolute_path else str(name)
                    yield f"unknown key {path}{nearest(name, allowed)}"
        case "type":
            hint = " (YAML reads 1e-3 as text; write 0.001)" if numeric_text(value, wanted) else ""
            yield f"{said}it must be {article(wanted)}{hint}"
        case "required":
            for name in wanted:
                if name not in value:
                    yield f"{key} lacks the key {name}"
        case "minItems":
            yield f"{key} is an empty list; it needs at least {wanted} entry"
        case "uniqueItems":
            twice = sorted({str(v) for v in value if value.count(v) > 1})
            yield f"{key} names {', '.join(twice)} twice; each may stand there once"
        case "minimum":
            yield f"{said}it must be at least {wanted}"
        case "exclusiveMinimum":
            yield f"{said}it must be greater than {wanted}"
        case "maximum":
            yield f"{said}it must be at most {wanted}"
        case "exclusiveMaximum":
            yield f"{said}it must be less than {wanted}"
        case "enum":
            yield f"{said}allowed: {', '.join(map(str, wanted))}{nearest(value, wanted, list_all=False)}"
        case _:
            yield f"{said}{error.schema.get('description', error.message)}"


def model_problems(config):
    """Models that are missing, cannot be built, or do not fit the experiments that name them."""
    for experiment in EXPERIMENTS:
        part = config[experiment]
        for key, allowed in (("task", tasks.tasks()), ("workload", workloads.workloads())):
            if key in part and part[key] not in allowed:
                yield f"{experiment}.{key} is {part[key]!r}; allowed: {', '.join(allowed)}"
        for key, name in named_models(part):
            if name not in config["models"]:
                yield (
                    f"{experiment}.{key} names {name}, which models: does not define"
                    f"{nearest(name, config['models'])}"
                )
    for name, entry in config["models"].items():
        architecture = entry["architecture"]
        try:
            options = models.options(architecture)
        except LookupError as error:
            yield (
                f"models.{name}.architecture is {architecture!r}: {error}; it must be package.module:Class"
                f" or one of {', '.join(models.architectures())}"
            )
            continue
        for experiment in EXPERIMENTS:
            if name in {named for _, named in named_models(config[experiment])}:
                yield from option_problems(name, experiment, config, options)


def named_models(part):
    """(key, model) for each model that an experiment's section names."""
    named = [("models", name) for name in part["models"]]
    return [*named, *([("relative_to", part["relative_to"])] if "relative_to" in part else [])]


def option_problems(name, experiment, config, options):
    """Options of one model in one experiment that its architecture does not take."""
    chosen = model_entry(config, experiment, name)
    for key in chosen:
        if options is not None and key not in (*options, "architecture", *models.FRAME_OPTIONS):
            yield (
                f"models.{name}: unknown option {key} for the architecture {chosen['architecture']}"
                f"{nearest(key, [*options, *models.FRAME_OPTIONS])}"
            )
    if options is not None:
        for key, default in options.items():
            if default is models.REQUIRED and key not in chosen:
                yield f"models.{name} lacks {key}, which the architecture {chosen['architecture']} needs"
    if chosen.get("positions") == "rotary" and chosen.get("attention", "encoder") == "encoder":
        yield f"models.{name}.positions is 'rotary', which needs attention: math or sdpa"
    d_model = config[experiment]["d_model"]
    heads = chosen.get("heads", (options or {}).get("heads", 1))
    if isinstance(heads, int) and d_model % heads:
        yield (
            f"models.{name}.heads is {heads}; it must divide {experiment}.d_model, which is {d_model}"
        )


def machine_problems(config):
    """Threads or a device that this machine does not have."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for experiment in EXPERIMENTS:
        threads = config[experiment]["threads"]
        if threads > cores:
            yield f"{experiment}.threads is {threads}; this machine has {cores} cores"
        if config[experiment]["device"] == "cuda":
            import torch  # two seconds, so only where it is needed

            if not torch.cuda.is_available():
                yield f"{experiment}.device is 'cuda'; torch finds no CUDA device on this machine (allowed: cpu)"


def model_section(config, experiment, name):
    """Keys that a model's entry sets for experiments of one kind: under `timing` or `recall`."""
    kind = "recall" if "task" in config[experiment] else "timing"
    return config["models"][name].get(kind, {})


def model_entry(config, experiment, name):
    """Architecture and options of a model in an experiment, the experiment's section merged in."""
    entry, own = config["models"][name], model_section(config, experiment, name)
    return {k: v for k, v in entry.items() if k not in ("timing", "recall")} | {
        k: v for k, v in own.items() if k not in TRAINING
    }


class Grid:
    """What the rules ask of a checked config: the cells of each experiment, and each cell's needs.

    Methods that take `wildcards` are called by Snakemake with those of a job: experiment, and for
    a cell model, seq_len and seed.
    """

    def __init__(self, config):
        self.config = config
        self.timed = [name for name in EXPERIMENTS if "workload" in config[name]]
        self.trained = [name for name in EXPERIMENTS if "task" in config[name] and name != "tuning"]

    def cells_of(self, experiment):
        """All (model, seq_len, seed) of an experiment, each model once before the next seed."""
        part = self.config[experiment]
        return [
            (model, seq_len, seed)
            for seed in part["seeds"]
            for seq_len in part["seq_lens"]
            for model in part["models"]
        ]

    def shards_of(self, experiment):
        """Path of each cell's shard, in the order of `cells_of`."""
        folder = f"{self.config['pathvars']['results']}/{experiment}"
        return [
            f"{folder}/model~{model}/seq_len~{seq_len}/seed~{seed}.parquet"
            for model, seq_len, seed in self.cells_of(experiment)
        ]

    def cells(self, wildcards):
        """`cells_of` the job's experiment."""
        return self.cells_of(wildcards.experiment)

    def shards(self, wildcards):
        """`shards_of` the job's experiment."""
        return self.shards_of(wildcards.experiment)

    def model(self, wildcards):
        """Architecture and options of the cell's model."""
        return in_order(model_entry(self.config, wildcards.experiment, wildcards.model))

    def reference(self, wildcards):
        """Name and entry of the model that takes turns with the cell's."""
        name = self.config[wildcards.experiment]["relative_to"]
        return {
            "entry": in_order(model_entry(self.config, wildcards.experiment, name)),
            "name": name,
        }

    def settings(self, wildcards):
        """The experiment's settings for the cell, without the lists that span the grid."""
        own = model_section(self.config, wildcards.experiment, wildcards.model)
        return self.shared(
            wildcards.experiment, {key: value for key, value in own.items() if key in TRAINING}
        )

    def tuning_settings(self, wildcards):
        """The settings of a tuning cell: its own learning rate, everyone's number of steps."""
        return self.shared("tuning", {"lr": float(wildcards.lr)})

    def shared(self, experiment, own):
        """What all cells of an experiment have in common, with a cell's own values over it."""
        part = self.config[experiment]
        common = {key: value for key, value in part.items() if key not in AXES}
        return in_order(common | own | {"base_seed": self.config["base_seed"]})

    def tuning_shards(self, wildcards):
        """Path of each tuning cell's shard, rate by rate, each in the order of `cells`."""
        return [
            shard.replace("/tuning/", f"/tuning/lr~{lr}/", 1)
            for lr in self.config["tuning"]["learning_rates"]
            for shard in self.shards(wildcards)
        ]

    def code(self, wildcards):
        """Digest of the files that the cell's numbers depend on: script, imports, model, task.

        A parameter and not a list of inputs, as fifteen files a job make the dry run of ten
        thousand cells three times as long.
        """
        part = self.config[wildcards.experiment]
        names = [wildcards.model, *([part["relative_to"]] if "relative_to" in part else [])]
        architectures = [self.config["models"][name]["architecture"] for name in names]
        if "task" in part:
            modules = ["workflow.scripts.recall_cell", f"workflow.seqbench.tasks.{part['task']}"]
        else:
            modules = [
                "workflow.scripts.timing_cell",
                f"workflow.seqbench.workloads.{part['workload']}",
            ]
        return digest(*modules, *(models.locate(one)[0] for one in architectures))

    def task(self, wildcards):
        """Files of the task of an experiment that trains, where its floors are."""
        return sources(f"workflow.seqbench.tasks.{self.config[wildcards.experiment]['task']}")

    def threads(self, wildcards):
        """Threads of a job that shares the machine with others."""
        return self.config[wildcards.experiment]["threads"]

    def priority(self, wildcards):
        """Timing before training, and the first seed of every model before any second one."""
        part = self.config[wildcards.experiment]
        rank = part["seeds"].index(int(wildcards.seed))
        return (0 if "task" in part else 1_000_000) - rank


def in_order(mapping):
    """The mapping with its keys sorted: Snakemake compares parameters as text."""
    return dict(sorted(mapping.items()))


def nearest(name, allowed, list_all=True):
    """ "; did you mean X?" where something is close, else what is allowed."""
    allowed = [str(item) for item in allowed]
    close = difflib.get_close_matches(str(name), allowed, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; allowed: {', '.join(allowed)}" if list_all else ""


def article(kind):
    """A JSON type in words."""
    kinds = kind if isinstance(kind, list) else [kind]
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping of keys to values",
    }
    return " or ".join(words[k] for k in kinds)


def numeric_text(value, wanted):
    """Whether a text that should be a number looks like one."""
    try:
        return (
            isinstance(value, str) and wanted in ("number", "integer") and float(value) is not None
        )
    except ValueError:
        return False
