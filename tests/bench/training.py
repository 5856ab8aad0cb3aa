"""The training loop beside a bare loop of the same model on the same data.

Each loop has a process of its own, and they take turns of a few steps, as the machine's speed changes
within seconds; their losses must be the same. The aim: never slower, and 1.15 times as fast where
memory is what costs time (the original's Transformer), known to 3 %. What evaluation costs is counted
in whole runs: python -m tests.bench.repeats.
"""

import io
import multiprocessing
import time
from contextlib import redirect_stderr

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from tests.bench.pairs import PLAN
from workflow.seqbench import tasks
from workflow.seqbench.measuring import machine
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.seeds import derive, generator
from workflow.seqbench.measuring.training import prepare, train
from workflow.seqbench.results.statistics import median_interval
from workflow.seqbench.showing import tables

SHORT = {"seq_len": 50, "steps": 10, "repetitions": 120}
LONG = {"seq_len": 100, "steps": 10, "repetitions": 48}
MODELS = {"lstm": SHORT, "transformer_matched": SHORT, "transformer": LONG}  # the last: original's


def bare_loop(net, task, settings, seq_len, data):
    """Adam on `net` with nothing measured, noted or evaluated but the losses that it returns."""
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["lr"])
    losses = []
    net.train()
    for _ in range(settings["steps"]):
        tokens, targets = task.sample(data, settings["batch_size"], seq_len, settings["vocabulary"])
        loss = cross_entropy(net(tokens), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def one_run(bare, model, seq_len, steps):
    """Train from the same start: seconds a step, without evaluation, and the losses.

    The bare loop is what a user would write: torch as it comes, but for one thread.
    """
    entry = PLAN.model("recall", model)
    own = {"steps": steps, "steps_after_solved": steps, "evaluation_size": 32}
    settings = PLAN.settings("recall", model, seq_len) | own
    task, stream = tasks.get(settings["task"]), ("bench", seq_len)
    if bare:
        machine.set_up("cpu", 1)
    else:
        prepare(settings)
    net = build_classifier(entry, settings, seq_len, stream)
    torch.manual_seed(derive(*stream, "dropout"))
    if bare:
        start = time.perf_counter()
        losses = bare_loop(net, task, settings, seq_len, generator(*stream, "train"))
        return (time.perf_counter() - start) / steps, losses
    with redirect_stderr(io.StringIO()):  # where the loop reports its progress
        row = train(net, task, seq_len, settings, stream)
    return row["step_s"], row["train_loss"]


def training(model, seq_len, steps, repetitions):
    """Seconds a step: [(bare, ours)], one entry a repetition.

    Each loop has a process of its own, as ours sets malloc and torch; they take turns.
    """
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(1) as plain, spawn.Pool(1) as own:
        loops = [(plain, True), (own, False)]
        rows = []
        for repetition in range(repetitions + 1):  # the first is a warm-up
            found = {}
            for pool, bare in loops[:: 1 if repetition % 2 else -1]:
                found[bare] = pool.apply(one_run, (bare, model, seq_len, steps))
            assert found[True][1] == found[False][1], "the two loops do not train the same net"
            rows.append((found[True][0], found[False][0]))
    return rows[1:]


def against_bare(model, seq_len, steps, repetitions):
    """A row of the table: steps/s of both loops, and their ratio with a 95 % interval."""
    bare, ours = np.transpose(training(model, seq_len, steps, repetitions))
    ratio, low, high, _ = median_interval(bare / ours)
    return {
        "model": model,
        "tokens": seq_len,
        "bare, steps/s": 1 / np.median(bare),
        "ours, steps/s": 1 / np.median(ours),
        "ours / bare": f"{ratio:.3f} [{low:.3f}, {high:.3f}]",
    }


def main():
    rows = [against_bare(model, **options) for model, options in MODELS.items()]
    print(tables.markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
