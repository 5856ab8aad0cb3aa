"""The table `audit`.

The rungs stand in the two lists below, in order; nothing else knows which models and experiments
they need. What the original notebook printed is in workflow/original.

One difference the rerun cannot remove: the notebook timed all its lengths in one process, so only
its first length, 100 tokens, was cold. The rerun gives each length a process of its own, so each
of its first calls is cold.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.seqbench.intervals import binomial_interval
from workflow.seqbench.stats import log_ratio, median_time_to_solve
from workflow.seqbench.tables import markdown

LSTM = "lstm"  # what every ratio of times is relative to
STEPS = 500  # the original's training budget
TAIL = 10  # steps whose mean counts as the loss at a step; a single one is too noisy
# The original's sizes. A run with others has rungs too, and they say so.
SPEED_SIZES = {"d_model": 128, "batch_size": 1}
MEMORY_SIZES = {"d_model": 64, "batch_size": 32, "vocabulary": 100}


class SpeedRung(NamedTuple):
    """One protocol of timing; the ratio is that of `transformer` to the LSTM."""

    protocol: str
    changed: str  # against the rung before: one sentence without its full stop
    transformer: str = "transformer"
    experiment: str | None = None  # None: as the notebook printed it
    time: str = "time_s"  # column of the cells
    needs: dict = {}  # noqa: RUF012  what the cells must have been measured with


class MemoryRung(NamedTuple):
    """One protocol of training; some rungs have one model, some have both."""

    protocol: str
    changed: str  # against the model's rung before: one sentence without its full stop
    models: tuple
    experiment: str | None = None


SPEED = (
    SpeedRung(
        "as printed",
        "The notebook's own run: train mode, and a single call at each length, all in one process",
    ),
    SpeedRung(
        "rerun, first call",
        "The same models and mode on the machine of this run, with the first call of a fresh process"
        " at every length",
        experiment="timing_audit",
        time="cold_s",
        needs={"mode": "train"},
    ),
    SpeedRung(
        "warmed up",
        "The same processes go on calling, and what counts is the time at which they settle",
        experiment="timing_audit",
        needs={"mode": "train", "calls": "steady"},
    ),
    SpeedRung(
        "eval mode",
        "Both models are switched to eval mode, which turns dropout off and lets PyTorch's encoder"
        " take its fused path",
        experiment="timing",
        needs={"mode": "eval", "calls": "steady"},
    ),
    SpeedRung(
        "matched parameters",
        "The Transformer has one layer and a narrower feed-forward part, and so the LSTM's number of"
        " parameters within 2 %",
        transformer="transformer_matched",
        experiment="timing",
        needs={"mode": "eval", "calls": "steady"},
    ),
    SpeedRung(
        "fused attention",
        "The attention is computed by scaled_dot_product_attention, which never holds the whole"
        " N × N matrix",
        transformer="transformer_sdpa_matched",
        experiment="timing",
        needs={"mode": "eval", "calls": "steady"},
    ),
)

MEMORY = (
    MemoryRung(
        "as printed",
        "The notebook's own run: one training of 500 steps without a fixed seed, judged by its last"
        " training loss",
        (LSTM, "transformer"),
    ),
    MemoryRung(
        "rerun, several seeds",
        "The same model is trained from several seeds, and past 500 steps where it is still unsolved",
        (LSTM, "transformer"),
        "recall",
    ),
    MemoryRung(
        "dropout off",
        "The Transformer trains without dropout",
        ("transformer_no_dropout",),
        "recall_audit",
    ),
    MemoryRung(
        "feed-forward matched",
        "The Transformer's feed-forward part shrinks until the layer is as large as the LSTM",
        ("transformer_small",),
        "recall_audit",
    ),
    MemoryRung(
        "sinusoidal positions",
        "The Transformer is given sinusoidal positions, where it had to learn them from zero",
        ("transformer_matched",),
        "recall",
    ),
    MemoryRung(
        "chrono LSTM",
        "The LSTM's forget gates start out remembering up to the whole sequence",
        ("lstm_chrono",),
        "recall",
    ),
)

COUNTS = ["n", "solved_by_500", "solved", "budget_steps"]
COLUMNS = [
    *("experiment", "seq_len", "rung", "protocol", "changed", "model", "n"),
    *("ratio", "ratio_low", "ratio_high", "interval", "lstm_median_s", "transformer_median_s"),
    *("solved_by_500", "solved", "solved_low", "solved_high", "budget_steps"),
    *("steps_to_solve_median", "steps_to_solve_low", "steps_to_solve_high", "steps_interval"),
    *("loss_at_500_median_nats", "lr", "note"),
]


def table(printed, cells, curves):
    """The table `audit`. A rung that the run has no cells for is a row whose note says so.

    printed: {"timing": ..., "recall": ...}, the notebook's numbers; cells: {experiment: its cells};
    curves: {experiment: its training losses, one row a step}.
    """
    rows = [
        {
            "experiment": "speed",
            "seq_len": number.seq_len,
            "rung": i,
            **speed_row(rung, number, cells),
        }
        for number in printed["timing"].itertuples()
        for i, rung in enumerate(SPEED, start=1)
    ]
    seq_len, lr = int(printed["recall"]["seq_len"].iloc[0]), {}
    for i, rung in enumerate(MEMORY, start=1):
        for model in rung.models:
            row = memory_row(rung, model, seq_len, printed["recall"], cells, curves)
            family = model.split("_")[0]
            row["changed"] = sentence(rung.changed, lr.get(family), row.get("lr"))
            lr[family] = row.get("lr", lr.get(family))
            rows.append({"experiment": "memory", "seq_len": seq_len, "rung": i, **row})
    frame = pd.DataFrame(rows).reindex(columns=COLUMNS)
    frame["note"] = frame["note"].fillna("")
    return frame.astype(dict.fromkeys(COUNTS, "Int64"))


def sentence(changed, lr_before, lr):
    """`changed` with its full stop, and with the learning rate if that changed too."""
    if None in (lr_before, lr) or lr == lr_before:
        return f"{changed}."
    return f"{changed}, and its learning rate is {lr:g} instead of {lr_before:g}."


def speed_row(rung, printed, cells):
    """Ratio Transformer/LSTM at one length with its interval over processes, paired by seed."""
    row = {"protocol": rung.protocol, "changed": f"{rung.changed}.", "model": rung.transformer}
    if rung.experiment is None:
        times = {"lstm_median_s": printed.lstm_s, "transformer_median_s": printed.transformer_s}
        ratio = printed.transformer_s / printed.lstm_s
        return row | {"n": 1, "ratio": ratio, "interval": "one run, none", **times}
    pair = [LSTM, rung.transformer]
    own = cells[rung.experiment]
    own = own[(own["seq_len"] == printed.seq_len) & own["model"].isin(pair)]
    for key, value in rung.needs.items():
        own = own[own[key] == value]
    if missing := [model for model in pair if model not in set(own["model"])]:
        how = " and ".join(f"{key} {value}" for key, value in rung.needs.items())
        note = f"{rung.experiment} has no {' and no '.join(missing)} with {how} at this length"
        return row | {"n": 0, "note": note}
    ok = own[own["status"] == "ok"]
    times = ok.pivot(index="seed", columns="model", values=rung.time).reindex(columns=pair).dropna()
    if times.empty:
        return row | {"n": 0, "note": "no process completed both models at this length"}
    ratio, low, high, method = log_ratio(times[rung.transformer], times[LSTM], paired=True)
    return row | {
        "n": len(times),
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "interval": method,
        "lstm_median_s": times[LSTM].median(),
        "transformer_median_s": times[rung.transformer].median(),
        "note": sizes_note(own, SPEED_SIZES),
    }


def memory_row(rung, model, seq_len, printed, cells, curves):
    """What came of one model's trainings by the original's 500 steps, and within their budget."""
    row = {"protocol": rung.protocol, "model": model}
    if rung.experiment is None:
        number = printed[printed["model"] == model].iloc[0]
        loss = number["final_train_loss_nats"]
        return row | {
            "n": 1,
            "budget_steps": number["steps"],
            "loss_at_500_median_nats": loss,
            "lr": number["lr"],
        }
    own, losses = (
        frame[(frame["model"] == model) & (frame["seq_len"] == seq_len)]
        for frame in (cells[rung.experiment], curves[rung.experiment])
    )
    if own.empty:
        return row | {"n": 0, "note": f"{rung.experiment} has no {model} at this length"}
    n, solved = len(own), int(own["solved_step"].notna().sum())
    at_500 = [loss_at(cell, losses) for cell in own.itertuples()]
    low, high = binomial_interval(solved, n)
    # A run out of time might have gone on to solve it; one that diverged would never have.
    ends = own["steps"].where(own["status"] == "over budget", own["budget_steps"])
    median, soonest, latest, method = median_time_to_solve(own["solved_step"], ends)
    return row | {
        "n": n,
        # Unknown where a run ended unsolved before.
        "solved_by_500": None
        if np.isnan(at_500).any()
        else int((own["solved_step"] <= STEPS).sum()),
        "solved": solved,
        "solved_low": low,
        "solved_high": high,
        "budget_steps": own["budget_steps"].max(),
        "steps_to_solve_median": median,
        "steps_to_solve_low": soonest,
        "steps_to_solve_high": latest,
        "steps_interval": method,
        "loss_at_500_median_nats": np.median(at_500),
        "lr": own["lr"].iloc[0],
        "note": sizes_note(own, MEMORY_SIZES),
    }


def loss_at(cell, losses, step=STEPS):
    """Training loss of one run at a step: the mean of the TAIL steps up to it.

    Of a run that was solved and ended before, the mean of its last steps; infinity for one that
    had diverged; NaN for one that never came so far.
    """
    own = losses[(losses["seed"] == cell.seed) & (losses["step"] <= step)].sort_values("step")
    last = own["train_loss"].tail(TAIL).mean(skipna=False)
    if cell.status == "diverged" and cell.steps <= step:
        return math.inf
    return last if len(own) == step or not pd.isna(cell.solved_step) else math.nan


def sizes_note(cells, original):
    """A note where a size is not the original's."""
    first = cells.iloc[0]
    other = [
        f"{key} is {first[key]}, in the original {value}"
        for key, value in original.items()
        if first[key] != value
    ]
    return "; ".join(other)


def for_people(audit):
    """The table as Markdown text: ratios by length, then trainings, then what is missing."""
    speed, memory = (audit[audit["experiment"] == name] for name in ("speed", "memory"))
    parts = [
        f"Time of the Transformer over that of the LSTM, with 95 % intervals over n = {counts(speed)}"
        " processes:\n",
        markdown(speed_for_people(speed)),
        f"Recall of the first of {memory['seq_len'].iloc[0]} tokens; the loss at step {STEPS} is the"
        f" median over seeds of the mean of {TAIL} steps:\n",
        markdown(memory_for_people(memory)),
    ]
    notes = audit[audit["note"] != ""].groupby(["experiment", "note"], sort=False)["seq_len"]
    lines = [
        f"- {experiment}, {', '.join(f'{n:,}' for n in sorted(set(lengths)))} tokens: {note}\n"
        for (experiment, note), lengths in notes
    ]
    return "\n".join([*parts, "".join(lines)] if lines else parts)


def counts(speed):
    """The processes behind the measured ratios: "6", "5–6", or "0"."""
    n = speed.loc[speed["rung"] > 1, "n"]
    n = n[n > 0]
    if n.empty:
        return "0"
    return str(n.min()) if n.nunique() == 1 else f"{n.min()}–{n.max()}"


def speed_for_people(speed):
    """One row a rung, one column a length."""
    first = speed.drop_duplicates("rung")
    columns = {"": [f"{r.rung}. {r.protocol}" for r in first.itertuples()]}
    for seq_len, rows in speed.groupby("seq_len"):
        columns[f"{seq_len:,} tokens"] = [
            ratio_text(r.ratio, r.ratio_low, r.ratio_high) for r in rows.itertuples()
        ]
    return pd.DataFrame(columns | {"what changed": first["changed"].tolist()})


def ratio_text(ratio, low, high):
    """ "8.2 (7.9 – 8.5)", without bounds where there are none."""
    if math.isnan(ratio):
        return "–"
    return f"{ratio:.3g}" + ("" if math.isnan(low) else f" ({low:.3g} – {high:.3g})")


def memory_for_people(memory):
    """One row a rung and model."""
    rows = []
    for row in memory.itertuples():
        measured = row.n and row.rung > 1
        rows.append(
            {
                "": f"{row.rung}. {row.protocol}",
                "model": row.model,
                f"solved by step {STEPS}": "–"
                if pd.isna(row.solved_by_500)
                else f"{row.solved_by_500} of {row.n}",
                "solved at all (95 % interval)": (
                    f"{row.solved} of {row.n} ({row.solved_low:.0%} – {row.solved_high:.0%})"
                    if measured
                    else "–"
                ),
                "steps to solve": (
                    steps_text(row.steps_to_solve_median, row.budget_steps) if measured else "–"
                ),
                f"loss at step {STEPS}": row.loss_at_500_median_nats,
                "what changed": row.changed,
            }
        )
    return pd.DataFrame(rows)


def steps_text(steps, budget):
    """Median steps to solve; more than the budget where half of the runs were not solved."""
    return f"> {budget:,}" if math.isinf(steps) else f"{steps:,.0f}"
