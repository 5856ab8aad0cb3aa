"""Experiments as data: what config.yaml says of them, resolved, and the cells that they consist of.

An experiment may be `like` another one: it then takes every key of that one which it does not set
itself. That is resolved here, after the user's configs have been merged, so that a changed setting
reaches every experiment that is like the changed one.
"""

import math
from functools import cache
from pathlib import Path
from zlib import crc32

import yaml

from workflow.seqbench.log import UserError
from workflow.seqbench.measuring import supervised
from workflow.seqbench.measuring.code import code_of
from workflow.seqbench.results import sealing
from workflow.seqbench.sources import ROOT, digest

KINDS = ("timing", "training")
# Keys of an experiment that span its cells; all others are settings of every cell.
LISTS = ("models", "add_models", "seq_lens", "seq_lens_of", "seeds", "seeds_of", "learning_rates")
ABOUT = ("kind", "on_demand", "relative_to")  # what neither spans cells nor reaches them
# Keys of a model's `training` section that say how it is trained, not what it is.
TRAINING = ("lr", "steps")


class ConfigError(UserError):
    """The config asks for something that cannot be; one sentence per problem."""


def resolve(experiments):
    """{name: experiment} with every `like` and `add_models` resolved.

    Whoever sets seq_lens (or seeds) takes no seq_lens_of (or seeds_of) from another.

    Raises ConfigError where `like` names no experiment, goes round in a circle, or changes kind.
    """

    def resolved(name, path=()):
        experiment, where = dict(experiments[name]), f"experiments.{name}"
        if (parent := experiment.pop("like", None)) is not None:
            if parent in (*path, name):
                first, circle = path[:1] or (name,), " -> ".join([*path, name, parent])
                raise ConfigError(f"experiments.{first[0]}.like is a circle: {circle}")
            if parent not in experiments:
                allowed = ", ".join(experiments)
                raise ConfigError(f"{where}.like is {parent!r}; allowed: {allowed}")
            base = resolved(parent, (*path, name))
            kind = base.get("kind")
            if experiment.get("kind", kind) != kind:
                raise ConfigError(f"{where}.kind cannot differ from {kind}, that of {parent}")
            replaced = {f"{key}_of" for key in ("seq_lens", "seeds") if key in experiment}
            replaced.add("on_demand")
            experiment = {k: v for k, v in base.items() if k not in replaced} | experiment
        listed, added = experiment.get("models", []), experiment.pop("add_models", [])
        experiment["models"] = [*listed, *(model for model in added if model not in listed)]
        return experiment

    return {name: resolved(name) for name in experiments}


def options_of(config, name, kind):
    """Architecture and options of a model in experiments of a kind, without how it is trained."""
    entry = config["models"][name]
    merged = {k: v for k, v in entry.items() if k not in KINDS} | entry.get(kind, {})
    return {key: value for key, value in merged.items() if key not in TRAINING}


class Plan:
    """The cells of a checked config, and what each job needs to know.

    config: with experiments resolved (`config.check`); rates: {(model, seq_len): tuned learning
    rate}, None where they are not known yet. Methods take the names in a cell's path as plain keyword
    arguments, as text or numbers.
    """

    def __init__(self, config, rates=None):
        self.config, self.rates, self.digests = config, rates, {}
        self.experiments = config["experiments"]
        self.results = config["pathvars"]["results"]

    def names(self, kind=None, swept=None, on_demand=None):
        """Experiments of a kind, with or without an axis of learning rates, on demand or not."""
        return [
            name
            for name, experiment in self.experiments.items()
            if (kind is None or experiment["kind"] == kind)
            and (swept is None or bool(experiment.get("learning_rates")) == swept)
            and (on_demand is None or experiment["on_demand"] == on_demand)
        ]

    def trains(self, experiment):
        """Whether the experiment trains models."""
        return self.experiments[experiment]["kind"] == "training"

    def lists(self, experiment):
        """What each cell has many of, and the experiment a table: samples or training curves."""
        return "curves" if self.trains(experiment) else "samples"

    def cells(self, experiment, **_):
        """The cells of `grid`; if the config says incomplete, only those that are done."""
        cells = self.grid(experiment)
        if self.config["incomplete"]:
            cells = [cell for cell in cells if self.done(experiment, whole=True, **cell)]
        return cells

    def grid(self, experiment, **_):
        """All cells as dicts (lr, model, seq_len, seed), each model once before the next seed."""
        part = self.experiments[experiment]
        cells = []
        for lr in part.get("learning_rates") or [None]:
            ranked = [
                (rank, {"model": model, "seq_len": seq_len, "seed": seed})
                for model in part["models"]
                for seq_len in part["seq_lens_of"].get(model, part["seq_lens"])
                for seeds in [part["seeds_of"].get(model, {}).get(seq_len, part["seeds"])]
                for rank, seed in enumerate(seeds)
            ]
            order = sorted(ranked, key=lambda pair: pair[0])  # stable: models, then lengths
            cells += [cell if lr is None else {"lr": lr} | cell for _, cell in order]
        return cells

    def size(self, experiment, **_):
        """Number of cells in the whole grid."""
        return len(self.grid(experiment))

    def shard(self, experiment, cell):
        """Path of a cell's shard."""
        keys = (key for key in ("lr", "model", "seq_len") if key in cell)
        folders = "/".join(f"{key}~{cell[key]}" for key in keys)
        return f"{self.results}/{experiment}/{folders}/seed~{cell['seed']}.parquet"

    def shards(self, experiment, **_):
        """Path of each cell's shard, in the order of `cells`."""
        return [self.shard(experiment, cell) for cell in self.cells(experiment)]

    def model(self, experiment, model, **_):
        """Architecture and options of the cell's model."""
        kind = self.experiments[experiment]["kind"]
        options = options_of(self.config, model, kind)
        target = options.get("match_parameters_to")
        if target is not None:
            options["match_parameters_to"] = in_order(options_of(self.config, target, kind))
        return in_order(options)

    def reference(self, experiment, **_):
        """Name, and architecture and options, of the model that takes turns with the cell's."""
        name = self.experiments[experiment]["relative_to"]
        return {"entry": self.model(experiment, name), "name": name}

    def settings(self, experiment, model, seq_len, lr=None, **_):
        """The experiment's settings for the cell, with what the model or the cell has of its own."""
        part = self.experiments[experiment]
        settings = {k: v for k, v in part.items() if k not in (*LISTS, *ABOUT)}
        if lr is not None:  # a sweep gives every model the same rates and steps
            settings["lr"] = float(lr)
        elif part["kind"] == "training":
            trained = self.config["models"][model].get("training", {})
            settings |= {key: trained[key] for key in TRAINING if key in trained}
            if settings["lr"] == "tuned" and self.rates is not None:
                if (model, int(seq_len)) not in self.rates:
                    raise UserError(
                        f"experiments.{experiment}.lr is tuned, and none of the tables tuned_by has a"
                        f" rate for {model} at {seq_len} tokens; tune it (make tune) or write a number"
                    )
                settings["lr"] = self.rates[model, int(seq_len)]
        return in_order(settings | {"base_seed": self.config["base_seed"]})

    def code(self, experiment, model, **_):
        """Digest of the code that the cell's numbers depend on: script, imports, model, task.

        A parameter and not a list of inputs, as fifteen files a job make the dry run of ten
        thousand cells three times as long.
        """
        part, entries = self.experiments[experiment], [self.model(experiment, model)]
        if "relative_to" in part:
            entries.append(self.model(experiment, part["relative_to"]))
        modules, layout = code_of(part["kind"], part, *entries)
        return digest(*modules, layout=layout)

    def asked(self, experiment, model, seq_len, lr=None, **_):
        """Digest of all that a cell's numbers depend on but its seed; its shard must carry it."""
        cell = experiment, model, int(seq_len), lr and float(lr)
        if cell not in self.digests:
            names = ["model", "settings", "code"]
            names += [] if self.trains(experiment) else ["reference"]
            keys = dict(zip(("experiment", "model", "seq_len", "lr"), cell, strict=True))
            parts = {name: getattr(self, name)(**keys) for name in names}
            self.digests[cell] = sealing.asked(parts)
        return self.digests[cell]

    def wanted(self, experiment, **_):
        """`cells`, each with the digest that its shard must carry."""
        return [cell | {"asked": self.asked(experiment, **cell)} for cell in self.cells(experiment)]

    def done(self, experiment, whole=False, **cell):
        """Whether the cell's shard is there, what the config and the code ask for, and undamaged if `whole`."""
        path, asked = self.shard(experiment, cell), self.asked(experiment, **cell)
        right = sealing.asked_of(path) == asked
        return right and (not whole or bool(sealing.intact(Path(path).read_bytes())))

    def foreign(self, experiment, **cell):
        """Path of the cell's shard where it is there, and another config or other code has made it."""
        path = self.shard(experiment, cell)
        there = sealing.asked_of(path)
        return path if there not in (None, self.asked(experiment, **cell)) else None

    def figure(self, experiment):
        """Name of the experiment's figure: the two README figures have names of their own."""
        return {"timing": "time", "recall": "memory"}.get(experiment, experiment)

    def priority(self, experiment, seed, **cell):
        """Timing before training, the first seed of every model before any second one, then at random.

        The random order is that of the config's base_seed, so that no model comes first each time.
        """
        part = self.experiments[experiment]
        of = (seeds for lengths in part["seeds_of"].values() for seeds in lengths.values())
        rank = list(dict.fromkeys([*part["seeds"], *(s for seeds in of for s in seeds)]))
        parts = [self.config["base_seed"], experiment, *map(cell.get, sorted(cell)), seed]
        name = " ".join(map(str, parts))
        order = rank.index(int(seed)) + crc32(name.encode()) / 2**32
        return (2_000_000 if part["kind"] == "timing" else 1_000_000) - round(1000 * order)

    def threads(self, experiment, **_):
        """Threads of a job that shares the machine with others."""
        return self.experiments[experiment]["threads"]

    def needs(self, what, attempt, attempts, experiment, model, seq_len, lr=None, **_):
        """What to ask a cluster for, by workflow/costs.yaml: mem_mb, or runtime in minutes.

        Each attempt asks for more, the last of several for all the minutes that the cell is left to
        run, so that a cell over its time ends as a row, and none for more.
        """
        settings = self.settings(experiment, model, seq_len, lr)
        names = (settings["device"], settings.get("workload"), self.experiments[experiment]["kind"])
        row = next(costs()[name] for name in names if name in costs())
        thousands, batch = int(seq_len) / 1000, settings["batch_size"] / row["batch_size"]

        def asked(quantity):
            constant, linear, square = row.get(quantity, (0, 0, 0))
            return constant + batch * (linear * thousands + square * thousands**2)

        if what == "mem_mb":
            return math.ceil(attempt * asked("mem_mb"))
        minutes = asked("minutes")
        if "steps" in settings:
            minutes += asked("minutes_per_1000_steps") * settings["steps"] / 1000
        most = row["minutes"][0] + supervised.limit_s(settings) / 60
        last = attempt >= attempts > 1
        return math.ceil(most if last else min(attempt * minutes, most))

    def gpu(self, experiment, **_):
        """GPUs that a cell needs."""
        return int(self.experiments[experiment]["device"] == "cuda")

    def device(self):
        """Device of the run, which names its published folder: that of its first experiment."""
        return next(iter(self.experiments.values()))["device"]


@cache
def costs():
    """{kind of experiment, workload or device: what its cells need}."""
    return yaml.safe_load((ROOT / "workflow/costs.yaml").read_text())


def in_order(mapping):
    """The mapping with its keys sorted: Snakemake compares parameters as text."""
    return dict(sorted(mapping.items()))
