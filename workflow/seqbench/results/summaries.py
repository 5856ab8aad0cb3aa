"""Tables of an experiment: one row per cell, and one per (model, seq_len) over its seeds."""

import numpy as np
import pandas as pd

from workflow.seqbench.results.measures import median, solved_share, steps_to_solve
from workflow.seqbench.results.schemas import columns
from workflow.seqbench.results.selecting import Selection, mixed
from workflow.seqbench.results.statistics import variance_split

LISTS = ("texts", "wholes", "numbers", "matrix")  # types of columns, see schemas/shards.yaml
STATUSES = {
    "timing": ("ok", "out of memory", "over budget"),
    "training": ("ok", "diverged", "out of memory", "over budget"),
}


def cells_table(shards, kind):
    """One row per cell: what a shard holds but its lists, and what is derived from them."""
    lists = [name for name, (type_name, *_) in columns(kind).items() if type_name in LISTS]
    flags = shards["flags"].map("; ".join)
    cells = shards.drop(columns=lists, errors="ignore").assign(flags=flags)
    if kind == "timing":
        over = {
            f"over_{partner}": over_rounds(shards, partner) for partner in ("reference", "half")
        }
        return cells.assign(time_calibrated=cells["time_s"] / cells["calibration_s"], **over)
    moments = pd.DataFrame([attention_moments(shard) for shard in shards.itertuples()])
    moments.columns = ["attention_rise_step", "loss_drop_step"]
    lead = moments["loss_drop_step"] - moments["attention_rise_step"]
    solved = cells["solved_step"].notna()
    return cells.assign(solved=solved, **moments, attention_lead_steps=lead)


def over_rounds(shards, partner):
    """How many times its partner's time each cell's model takes; NaN where none took turns with it.

    The geometric mean of the rounds' ratios. A small machine often works at two speeds, between which
    it changes within milliseconds. Means over the same rounds hold as much of each; medians may be
    of different ones. Of first calls, of which there is one, the quotient.
    """
    ratios = shards["time_s"] / shards[f"{partner}_time_s"]
    own, other = shards["samples_s"], shards[f"{partner}_samples_s"]
    in_turns = own.notna() & other.notna() & (own.str.len() > 0)
    rounds = zip(own[in_turns], other[in_turns], strict=True)
    ratios[in_turns] = [np.exp(np.log(np.divide(*samples)).mean()) for samples in rounds]
    return ratios


def attention_moments(shard):
    """Steps at which a solved run's attention finds the first token, and at which its loss drops.

    Each is the first evaluation that is more than half-way between the first value and the best;
    NaN without attention. Resolution: the steps between two evaluations.
    """
    if shard.attention_first is None or np.isnan(shard.solved_step):
        return np.nan, np.nan
    steps, attention = [0, *shard.eval_step], np.asarray(shard.attention_first)
    loss = np.array([shard.chance_loss_nats, *shard.eval_loss])
    rise = np.argmax(attention > (attention[0] + attention.max()) / 2)
    return float(steps[rise]), float(steps[np.argmax(loss < (loss[0] + loss.min()) / 2)])


def summary(shards, cells, kind, keys):
    """One row per combination of `keys` (model, seq_len, and lr where that is an axis)."""
    rows = []
    for key, group in cells.groupby(keys, sort=False):
        selection = Selection(group["model"].iloc[0], group)
        if kind == "timing":
            row = timing_columns(selection, shards["samples_s"])
        else:
            row = training_columns(selection)
        ended = {
            status.replace(" ", "_"): sum(group["status"] == status) for status in STATUSES[kind]
        }
        raised = group["flags"].str.split("; ").explode()
        counts = raised[raised != ""].value_counts().sort_index()
        flags = [f"{flag} {count}/{len(group)}" for flag, count in counts.items()]
        flags += mixed(group)
        about = {"architecture": group["architecture"].iloc[0]}
        ended |= {"flags": "; ".join(flags)}
        row = about | row | {"parameters": group["parameters"].max()} | ended
        rows.append(dict(zip(keys, key, strict=True)) | row)
    return pd.DataFrame(rows)


def timing_columns(selection, samples):
    """Columns over processes; only cells with status ok have times."""
    ok = selection._replace(cells=selection.cells[selection.cells["status"] == "ok"])
    time = median(ok)
    between, within = variance_split(samples[ok.cells.index])
    flops = ok.cells["flops"].max()
    return {
        "n": len(ok.cells),
        **columns_of(time, "time", "_s"),
        "interval": time.method,
        **columns_of(median(ok, "cold_s"), "cold", "_s"),
        "spread_between": between,
        "spread_within": within,
        "tokens_per_s": ok.cells["tokens"].max() / time.value,
        **columns_of(median(ok, "time_calibrated"), "time_calibrated"),
        "page_faults": ok.cells["page_faults"].median(),
        "call_ram_bytes": ok.cells["call_ram_bytes"].median(),
        "peak_ram_bytes": ok.cells["peak_ram_bytes"].median(),
        "flops": flops,
        "gflops_per_s": flops / time.value / 1e9,
    }


def training_columns(selection):
    """Columns over seeds. Every run counts, whatever its status; unsolved runs are censored."""
    cells, first = selection.cells, selection.cells.iloc[0]
    solved, steps = solved_share(selection), steps_to_solve(selection)
    loss = median(selection, "final_loss")
    return {
        "n": len(cells),
        "solved": int(cells["solved_step"].notna().sum()),
        "solved_loose": int(cells["solved_step_loose"].notna().sum()),
        "solved_share": solved.value,
        "solved_low": solved.low,
        "solved_high": solved.high,
        "budget_steps": first["budget_steps"],
        **columns_of(steps, "steps_to_solve"),
        "steps_interval": steps.method,
        "seconds_to_solve_median_s": cells["solved_s"].fillna(np.inf).median(),
        **columns_of(loss, "final_loss", "_nats"),
        "interval": loss.method,
        **cells["final_accuracy"].agg(["median", "min", "max"]).add_prefix("final_accuracy_"),
        **{f"accuracy_{n}x_median": cells[f"accuracy_{n}x"].median() for n in (2, 4)},
        "accuracy_longer_error": "; ".join(cells["accuracy_longer_error"].dropna().unique()),
        "gradient_share_median": cells["gradient_share_initial"].median(),
        **first[["chance_loss_nats", "bag_of_tokens_loss_nats"]],
        "step_median_s": cells["step_s"].median(),
        **first[["lr", "core_parameters"]],
    }


def columns_of(estimate, name, unit=""):
    """An estimate as columns name_median, name_low and name_high with the unit as suffix."""
    values = zip(("median", "low", "high"), estimate[:3], strict=True)
    return {f"{name}_{part}{unit}": value for part, value in values}


def choose_rates(table):
    """The table of a sweep with `chosen` on the best learning rate of each (model, seq_len).

    Best: most seeds solved; of those, one that is inside, where the next lower and the next higher
    rate solve no fewer: the fastest rate is often the last one that works, and fails from another
    seed. Of those, the fewest steps (median, unsolved seeds censored); of those, the lowest final
    loss, which alone decides where no rate solves it.
    """
    table = table.sort_values(["model", "seq_len", "lr"], ignore_index=True)
    solved = table.groupby(["model", "seq_len"])["solved"]
    fewer = pd.concat([solved.shift(1), solved.shift(-1)], axis=1).min(axis=1, skipna=False)
    inside = (table["solved"] > 0) & (fewer >= table["solved"])
    order = {"solved": False, "inside": False}
    order |= {"steps_to_solve_median": True, "final_loss_median_nats": True}
    ranked = table.assign(inside=inside).sort_values([*order], ascending=[*order.values()])
    best = ranked.groupby(["model", "seq_len"]).head(1)
    return table.assign(chosen=table.index.isin(best.index))


def unrolled(shards, keys, lists, index, value):
    """One row per entry of the column `lists`: the entry as `value`, counted from 1 by `index`."""
    shards = shards.dropna(subset=[lists])
    table = shards[[*keys, "architecture", "seed"]]
    table = table.loc[table.index.repeat(shards[lists].map(len))]
    place = (table.groupby(level=0).cumcount() + 1).astype("int32")
    entries = np.concatenate([np.zeros(0), *shards[lists]]).astype("float32")
    return table.assign(**{index: place, value: entries}).reset_index(drop=True)
