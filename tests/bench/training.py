"""The training loop beside a bare loop of the same model on the same data.

Each loop has processes of its own that take turns; their losses must be the same. The aim: never
slower, and 1.15 times as fast where memory is what costs time (the original's Transformer), known
to 3 %; evaluation below 5 % of it.
"""

import io
import multiprocessing
import time
from contextlib import redirect_stderr

import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import shipped
from workflow.seqbench import tasks
from workflow.seqbench.config import check
from workflow.seqbench.measuring import machine
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.seeds import derive, generator
from workflow.seqbench.measuring.training import prepare, train
from workflow.seqbench.results.statistics import median_interval
from workflow.seqbench.showing import tables

SEQ_LEN, STEPS, REPETITIONS = 50, 100, 12
ORIGINAL = {
    "seq_len": 100,
    "steps": 25,
    "repetitions": 6,
}  # the original's Transformer, a long step


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
    """Train from the same start: seconds a step without and with evaluation, and the losses.

    The bare loop is what a user would write: torch as it comes, but for one thread.
    """
    plan = check(shipped(), local=False)
    entry = plan.model("recall", model)
    own = {"steps": steps, "steps_after_solved": steps}
    settings = plan.settings("recall", model, seq_len) | own
    task, stream = tasks.get(settings["task"]), ("bench", seq_len)
    if bare:
        machine.set_up("cpu", 1)
    else:
        prepare(settings)
    net = build_classifier(entry, settings, seq_len, stream)
    torch.manual_seed(derive(*stream, "dropout"))
    start = time.perf_counter()
    if bare:
        losses = bare_loop(net, task, settings, seq_len, generator(*stream, "train"))
        step = elapsed = (time.perf_counter() - start) / steps
    else:
        with redirect_stderr(io.StringIO()):  # where the loop reports its progress
            row = train(net, task, seq_len, settings, stream)
        elapsed, step = (time.perf_counter() - start) / steps, row["step_s"]
        losses = row["train_loss"]
    return step, elapsed, losses


def training(model, seq_len=SEQ_LEN, steps=STEPS, repetitions=REPETITIONS):
    """Seconds a step: [(bare, ours, ours with evaluation)], one entry a repetition.

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
            assert found[True][2] == found[False][2], "the two loops do not train the same net"
            rows.append((found[True][0], *found[False][:2]))
    return rows[1:]


def against_bare(model, **options):
    """Rows of the table: steps/s and its ratio to the bare loop's, with 95 % intervals."""
    rows = training(model, **options)
    bare = median_interval([row[0] for row in rows])[0]
    yield {"loop": f"{model}, bare", "steps/s": 1 / bare, "speed / bare": "1"}
    for place, name in ((1, "ours"), (2, "ours, with evaluation")):
        ratio, low, high, _ = median_interval([row[0] / row[place] for row in rows])
        yield {
            "loop": f"{model}, {name}",
            "steps/s": 1 / median_interval([row[place] for row in rows])[0],
            "speed / bare": f"{ratio:.3f} [{low:.3f}, {high:.3f}]",
        }


def main():
    rows = [row for model in ("lstm", "transformer_matched") for row in against_bare(model)]
    rows += against_bare("transformer", **ORIGINAL)
    print(f"Training, {SEQ_LEN} tokens (transformer: {ORIGINAL['seq_len']}), one pair at a time:\n")
    print(tables.markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
