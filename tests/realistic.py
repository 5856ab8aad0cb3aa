"""A run as config.yaml asks for it, made up: plausible shards, and all tables by the scripts that make them.

It takes seconds where the real run takes a quarter of an hour, and serves what draws and shows. Its
numbers mean nothing. `python -m tests.realistic FOLDER [PRESET]` leaves one to look at,
such as workflow/presets/full.yaml.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from snakemake.utils import update_config

from tests.conftest import ROOT
from workflow.scripts import (
    attention_figure,
    audit_figure,
    call_figure,
    causes_figure,
    comparison_tables,
    curves_figure,
    distance_figure,
    distance_table,
    experiment_tables,
    fairness_table,
    gradient_flow_figure,
    position_tables,
    rates_figure,
    readout_figure,
)
from workflow.scripts import judge as judging
from workflow.seqbench.config import check
from workflow.seqbench.results import shards
from workflow.seqbench.results.schemas import schema

# Seconds of a forward pass: a + bN + cN², by architecture and whether parameters are matched.
LAWS = {
    "lstm": (2e-5, 5.3e-6, 0),
    "transformer": (4e-4, 3.4e-5, 3.0e-8),
    "transformer_matched": (6e-5, 4.6e-6, 1.6e-8),
    "transformer_sdpa_matched": (6e-5, 4.6e-6, 7.0e-9),
}
FACTORS = {"forward": 1, "train_step": 3, "decode": 0.01}
# Median of the steps to solve 25 tokens, and the power of the length that it grows with.
STEPS = {
    "lstm": (math.inf, 0),
    "lstm_chrono_cut": (math.inf, 0),
    "feed_forward_last": (math.inf, 0),
    "feed_forward_mean": (900, 3),
    "lstm_mean": (200, 1.6),
    "transformer_last": (230, 1.5),
    "lstm_chrono": (450, 1.1),
    "transformer": (420, 0.8),
    "transformer_matched": (130, 0.6),
}
MACHINE = {
    "status": "ok",
    "device": "cpu",
    "device_name": "AMD EPYC (family 25, model 17)",
    "cpu_model": "AMD EPYC (family 25, model 17)",
    "cpu_cores": 2,
    "threads": 1,
    "interop_threads": 1,
    "kernel": "Linux-6.1",
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "git_commit": "0123456789abcdef" * 2 + "01234567",
    "git_dirty": False,
    "config_digest": "0123456789ab",
    "load_start": 0.4,
    "load_end": 1.1,
}

CLAIMS, CAUSES = (ROOT / f"workflow/statements/{name}.yaml" for name in ("claims", "causes"))
STYLE = ROOT / "workflow/figures.mplstyle"
# The default run, with what the figures need beside it and a length of recall more.
SIX = [0, 1, 2, 3, 4, 5]
INTERVENTIONS = ("gradient_cut", "asked_at_end", "asked_everywhere", "curriculum")
INTERVENTIONS += ("forget_bias_batch128", "recall_positions", "uniform_attention")
PRESET = {
    "experiments": {
        "timing": {"seeds": SIX},
        "timing_audit": {"seq_lens": [100, 1000, 3000]},
        "recall": {
            "seq_lens": [25, 50, 100],
            "seq_lens_of": {"transformer": [25, 50, 100], "lstm_chrono": [25, 50, 100]},
            "seeds_of": {
                "lstm": {100: SIX},
                "transformer": {25: SIX},
                "transformer_matched": {100: SIX},
            },
        },
        **{
            name: {"on_demand": False}
            for name in ("train_step", "decode", "recall_audit", "tuning")
        },
        **{name: {"on_demand": False} for name in INTERVENTIONS},
        "readout": {"on_demand": False, "seq_lens": [25, 50, 100]},
        "forget_bias": {"on_demand": False, "seq_lens": [25, 50]},
        "forget_bias_batch8": {"on_demand": False, "seq_lens": [25]},
    }
}


def cells_of(*experiments):
    return tuple(f"{name}_cells" for name in experiments)


OF_CAUSES = cells_of("recall", "readout", "forget_bias", *INTERVENTIONS[:4])
BESIDE = cells_of("forget_bias_batch8", *INTERVENTIONS[4:])
TRAINED = cells_of("recall", "recall_original", "recall_audit", "readout")
# What a figure's script takes before its paths: names of tables (or tuples of them), and the rest as it is.
FIGURES = {
    "time": (call_figure, "timing", "timing_cells", STYLE, ["linear", "log"], True),
    "forward_ram": (call_figure, "timing", "timing_cells", STYLE, ["ram"], False),
    "train_step": (call_figure, "train_step", "train_step_cells", STYLE, ["log", "ram"], False),
    "decode": (call_figure, "decode", "decode_cells", STYLE, ["log", "ram"], False),
    "memory": (curves_figure, "recall", "recall_cells", "recall_curves", STYLE),
    "forget_bias": (
        curves_figure,
        *("forget_bias" + part for part in ("", "_cells", "_curves")),
        STYLE,
    ),
    "tuning": (rates_figure, "tuning", "tuning_cells", STYLE),
    "readout": (readout_figure, cells_of("readout", "recall"), STYLE),
    "causes": (causes_figure, OF_CAUSES, BESIDE, CAUSES, STYLE),
    "distance": (distance_figure, "distance", "recall_cells", STYLE),
    "gradient_flow": (gradient_flow_figure, "gradient_flow", "recall_cells", CLAIMS, STYLE),
    "attention": (attention_figure, "attention", "recall_cells", STYLE),
    "audit": (audit_figure, "audit", "timing_cells", TRAINED, STYLE),
}
JUDGED = ("claims", "causes", "expectations", "audit", "answers", "recall_answers")


def timing_row(cell, settings, reference, rng, lengths):
    """Columns of a cell that timed a model in turns with its reference."""
    model, n = cell["model"], cell["seq_len"]
    window = math.exp(0.03 * rng.standard_normal())  # of the process: all its calls are slower
    cold, train = settings["calls"] == "cold", settings["mode"] == "train"
    factor = window * FACTORS.get(settings["workload"], 1) * (1.6 if train else 1)

    def seconds(name, tokens):
        a, b, c = LAWS.get(name, LAWS["transformer_matched"])
        if settings["workload"] == "decode" and "no_cache" not in name:
            b, c, a = (0, 0, a) if name == "lstm" else (b / 50, 0, a)
        return factor * (a + b * tokens + c * tokens * tokens)

    def samples(name, tokens):
        slow = rng.random(40) < 0.05
        return seconds(name, tokens) * np.exp(0.02 * rng.standard_normal(40) + 0.2 * slow)

    own, other, half = samples(model, n), samples(reference, n), samples(model, n // 2)
    calibration = 4e-3 * window * np.exp(0.01 * rng.standard_normal(40))
    failed = model == "transformer" and n == max(lengths) and cell["seed"] == 0 and n > 3000
    busy = float(rng.gamma(1, 0.08))
    row = {
        "time_s": float(np.median(own)) * (3 if cold else 1),
        "reference_time_s": float(np.median(other)),
        "half_time_s": float(np.median(half)),
        "calibration_s": float(np.median(calibration)),
        "samples_s": own.tolist(),
        "reference_samples_s": other.tolist(),
        "half_samples_s": half.tolist(),
        "calibrations_s": calibration.tolist(),
        "half_seq_len": n // 2,
        "cold_s": float(own[0]) * 4,
        "call_ram_bytes": int(
            window * 2000 * n
            + (40 * n * n if "transformer" in model and "sdpa" not in model else 0)
        )
        * (settings["workload"] != "decode" or model != "lstm" or n == min(lengths)),
        "peak_ram_bytes": 300_000_000,
        "parameters": 132_096 * (9 if model == "transformer" else 1),
        "tokens": n,
        "flops": 262_144 * n + (1024 * n * n if model != "lstm" else 0),
        "busy_cores": busy,
        "flags": ["busy machine"] if busy > 0.25 else [],
        "malloc": f"glibc, {settings['malloc']}",
        "half_width": 0.01,
    }
    if failed:
        row |= {"status": "over budget", "time_s": None, "samples_s": None}
    keys = ("workload", "batch_size", "d_model", "mode", "calls")
    return row | {"reference": reference} | {key: settings[key] for key in keys}


def training_row(cell, settings, options, rng):
    """Columns of a cell that trained a model."""
    n, budget, every = cell["seq_len"], settings["steps"], settings["evaluate_every"]
    median, power = STEPS.get(cell["model"], (300, 0.8))
    recurrent = options["architecture"] == "lstm"
    keeps = 1 - 1 / n if "chrono" in cell["model"] else 0.6
    if "forget_bias" in options:
        keeps = 1 / (1 + math.exp(-options["forget_bias"]))
        noise = (settings["batch_size"] * budget) ** -0.5 * math.exp(0.5 * rng.standard_normal())
        seen = keeps ** (n - 1) / noise
        median, power = (1500 / seen**0.5 if seen > 1 else math.inf), 0
    if settings["ask_at"] != "end" or settings["curriculum_from"]:
        median, power = 500, 1
    if "lr" in cell:
        median *= (1 + abs(math.log(cell["lr"] / 0.003))) ** 2
    solving = median * (n / 25) ** power * math.exp(0.25 * rng.standard_normal())
    solved = math.ceil(solving / every) * every if solving <= budget else None
    steps = min(budget, solved + settings["steps_after_solved"]) if solved else budget
    at = np.arange(1, steps + 1)
    chance, floor = math.log(99), math.log(99) * 0.9
    drop = solving if math.isfinite(solving) else 1e9
    loss = chance / (1 + np.exp(np.clip((at - 0.8 * drop) / (0.04 * drop), -50, 50)))
    loss = loss * np.exp(0.03 * rng.standard_normal(steps)) + 0.004
    evaluations = np.arange(every, steps + 1, every)
    distance = n - np.arange(1, n + 1)
    flow = (keeps**distance if recurrent else np.ones(n)) + 1e-30
    flows = [(flow * math.exp(0.2 * rng.standard_normal())).tolist() for _ in range(3)]
    looks = np.ones(n) / n
    if not recurrent and solved:
        looks[0] += 0.5
    step_s = 0.004 if recurrent else 0.002
    examined = examined_columns(recurrent, options, rng) if solved else {}
    rise = 0.04 + 0.6 / (1 + np.exp(-(evaluations - 0.75 * drop) / (0.04 * drop)))
    return {
        "steps": steps,
        "budget_steps": budget,
        "train_loss": loss.tolist(),
        "train_length": [n] * len(evaluations),
        "eval_step": evaluations.tolist(),
        "eval_loss": loss[evaluations - 1].tolist(),
        "eval_accuracy": np.exp(-loss[evaluations - 1]).tolist(),
        "gradient_norm": [1.0] * len(evaluations),
        "gradient_flow": flows,
        "gradient_first_initial": float(flow[0]),
        "gradient_last_initial": float(flow[-1]),
        "gradient_share_initial": float(flow[0] / flow[-1]),
        "initial_forget_gate": [keeps] * 4 if recurrent else None,
        "attention": None if recurrent else (looks / looks.sum()).tolist(),
        "attention_first": None if recurrent else [0.04, *rise.tolist()],
        **examined,
        "solved_step": solved,
        "solved_s": solved and solved * step_s * n / 25,
        "solved_step_loose": solved,
        "confirmed_accuracy": 0.999 if solved else None,
        "final_loss": float(loss[-1]),
        "final_accuracy": float(np.exp(-loss[-1])),
        "training_s": steps * step_s * n / 25,
        "evaluation_s": 0.2,
        "step_s": step_s * n / 25,
        "parameters": 46_180 if recurrent else 46_100,
        "core_parameters": 33_280,
        "chance_loss_nats": chance,
        "bag_of_tokens_loss_nats": floor,
        "busy_cores": 0.3,
        "flags": [],
        **{key: settings[key] for key in ("task", "lr", "vocabulary", "batch_size", "d_model")},
    }


def examined_columns(recurrent, options, rng):
    """Columns of a solved run: what its answers follow, and how it does on longer sequences."""
    high, low = 1 - 0.01 * rng.random(5), 0.02 * rng.random(5)
    if recurrent:
        columns = {"swap_cell_follows": high[0], "swap_hidden_follows": low[0]}
    else:
        columns = {"swap_value_follows": high[0], "only_first_accuracy": high[1]}
        columns |= {"forbid_first_accuracy": low[0]}
    if "learned" in str(options.get("positions")):
        error = "core.positions.table is learned and has 25 positions"
        return columns | {"accuracy_longer_error": error}
    twice = 0.95 if recurrent else 0.7 if options.get("positions") == "rotary" else 0.2
    twice *= math.exp(0.1 * rng.standard_normal())
    return columns | {"accuracy_2x": min(1, twice), "accuracy_4x": min(1, twice) ** 3}


def write_shards(plan, experiment, folder):
    """The shards of an experiment; returns their paths."""
    part, paths = plan.experiments[experiment], []
    for i, cell in enumerate(plan.cells(experiment)):
        rng = np.random.default_rng([i, *experiment.encode()])
        settings, options = plan.settings(experiment, **cell), plan.model(experiment, **cell)
        if part["kind"] == "timing":
            reference = plan.reference(experiment)["name"]
            row = timing_row(cell, settings, reference, rng, part["seq_lens"])
        else:
            row = training_row(cell, settings, options, rng)
        minute, second = divmod(3 * i, 60)
        about = {"experiment": experiment, "architecture": options["architecture"]}
        about |= {"started_at": f"2026-11-20T12:{minute % 60:02}:{second:02}+00:00"}
        shape = schema(part["kind"], experiment)
        whole = filler(shape) | MACHINE | about | row | {k: v for k, v in cell.items() if k != "lr"}
        paths.append(folder / Path(plan.shard(experiment, cell)).relative_to(plan.results))
        shards.write(whole, shape, paths[-1], {"settings": settings})
    return paths


def filler(shape):
    """Something for every column that may not be empty."""
    simple = {pa.string(): "text", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): False}
    return {
        field.name: [] if pa.types.is_list(field.type) else simple[field.type]
        for field in shape
        if not field.nullable
    }


def files(folder, name, *suffixes):
    suffixes = suffixes or ("csv", "parquet", "md", "html")
    return [folder / f"tables/{name}.{suffix}" for suffix in suffixes]


def plan_of(preset=PRESET):
    """The plan of a run; preset: what differs from config.yaml, or the path of such a file."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    preset = yaml.safe_load(Path(preset).read_text()) if isinstance(preset, str) else preset
    update_config(config, preset)
    return check(config, local=False)


def make(folder, preset=PRESET):
    """Write shards and tables of a run to `folder`; returns its plan."""
    folder, plan = Path(folder), plan_of(preset)
    (folder / "tables").mkdir(parents=True)
    names, cells, paths = plan.names(on_demand=False), [], {}
    for name in names:
        paths[name], kind = write_shards(plan, name, folder), plan.experiments[name]["kind"]
        lists = "curves" if kind == "training" else "samples"
        made = files(folder, name)
        made += [files(folder, f"{name}_{part}", "parquet")[0] for part in ("cells", lists)]
        asked = plan.cells(name)
        experiment_tables.main(paths[name], name, kind, asked, len(asked), *made)
        cells += made[4:] if kind == "training" else made[4:5]
    timed = plan.names("timing", on_demand=False)
    of_timed = [path for path in cells if path.stem.removesuffix("_cells") in timed]
    comparison_tables.main(of_timed, timed, 0.05, files(folder, "ratios"), files(folder, "scaling"))
    distance_table.main(files(folder, "recall", "parquet")[0], *files(folder, "distance"))
    looks = files(folder, "gradient_flow"), files(folder, "attention")
    position_tables.main(paths["recall"], "recall", plan.cells("recall"), *looks)
    fairness_table.main(plan.config, plan.rates, *files(folder, "fairness"))
    statements = [ROOT / f"workflow/statements/{n}.yaml" for n in JUDGED]
    original = sorted((ROOT / "workflow/original").glob("*_cells.csv"))
    judged = [path for name in ("verdicts", *JUDGED[1:]) for path in files(folder, name)]
    judged += files(folder, "claims", "md", "html")
    judging.main(statements, cells, original, files(folder, "findings", "csv", "parquet"), judged)
    return plan


def draw(folder, names=FIGURES):
    """Draw figures of a made-up run as the rules do; returns {name: path of the PNG}."""
    (folder / "figures").mkdir(exist_ok=True)

    def taken(part):
        if isinstance(part, tuple):
            return [*map(taken, part)]
        return folder / f"tables/{part}.parquet" if isinstance(part, str) else part

    drawn = {}
    for name in names:
        script, *parts = FIGURES[name]
        drawn[name], svg = (folder / f"figures/{name}.{suffix}" for suffix in ("png", "svg"))
        script.main(*map(taken, parts), drawn[name], svg)
    return drawn


def shipped_experiments():
    """Names of the experiments of config.yaml, in its order."""
    return list(yaml.safe_load((ROOT / "config.yaml").read_text())["experiments"])


if __name__ == "__main__":
    make(*sys.argv[1:])
