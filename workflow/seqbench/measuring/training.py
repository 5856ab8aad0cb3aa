"""Train one cell in this process and return its shard row."""

import math
import os
import sys
import time

import torch
from torch.nn.functional import cross_entropy

from workflow.seqbench import tasks
from workflow.seqbench.measuring import machine
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.curriculum import Curriculum
from workflow.seqbench.measuring.evaluate import evaluate, evaluate_longer
from workflow.seqbench.measuring.interventions import intervene
from workflow.seqbench.measuring.probes import Trace
from workflow.seqbench.measuring.seeds import derive, generator
from workflow.seqbench.measuring.solved import Watch
from workflow.seqbench.models import parameters

PROBED = 8  # sequences that the probes look at, again and again
EXAMINED = 128  # sequences on which a trained model is examined
GRADIENTS = 4  # evaluations from one look at the gradient, which costs a training step, to the next


def train_cell(experiment, cell, model, settings, ended=None):
    """Row of one cell; `cell` holds model (its name), seq_len and seed.

    Every stream of random numbers derives from (base_seed, task, seq_len, seed) and what it is for,
    so that models share their data, and all weights but those of the parts that differ. The same
    cell gives the same losses bit for bit on the same machine and thread count. A cell that does
    not fit into memory is a row with that status. ended: the status and error of a cell that was
    ended from outside, in place of training it.
    """
    start = time.perf_counter()
    prepare(settings)
    task = tasks.get(settings["task"])
    seq_len = cell["seq_len"]
    stream = (settings["base_seed"], settings["task"], seq_len, cell["seed"])
    row = {
        "experiment": experiment,
        **cell,
        "architecture": model["architecture"],
        "flags": [],
        **{key: settings[key] for key in ("task", "lr", "vocabulary", "batch_size", "d_model")},
        "budget_steps": settings["steps"],
        "chance_loss_nats": task.chance_loss(seq_len, settings["vocabulary"]),
        "bag_of_tokens_loss_nats": task.bag_of_tokens_loss(seq_len, settings["vocabulary"]),
        **machine.describe(settings["device"], {"model": model, "settings": settings}),
    }
    with machine.watch_load() as load:
        try:
            with machine.limited_ram(settings["ram_limit_mb"], settings["device"]):
                if ended:
                    row |= untrained(**ended)
                else:
                    row |= built_and_trained(model, task, seq_len, settings, stream)
        except (MemoryError, RuntimeError) as error:
            if not machine.is_out_of_memory(error):
                raise
            row |= untrained("out of memory", str(error).split("\n")[0])
    return row | load | {"cell_s": time.perf_counter() - start}


def built_and_trained(model, task, seq_len, settings, stream):
    """The columns of a classifier that is built, trained and examined."""
    net = build_classifier(model, settings, seq_len, stream).to(settings["device"])
    torch.manual_seed(derive(*stream, "dropout"))
    begin = time.perf_counter()
    row = {"parameters": parameters(net), "core_parameters": parameters(net.core)}
    row |= train(net, task, seq_len, settings, stream)
    row |= examine(net, model, task, seq_len, settings, stream)
    return row | {"evaluation_s": time.perf_counter() - begin - row["training_s"]}


def untrained(status, error):
    """Columns of a cell whose training left nothing to report."""
    lists = ("train_loss", "train_length", "eval_step", "eval_loss", "eval_accuracy")
    lists += ("gradient_norm", "gradient_flow")
    columns = {"status": status, "error": error, "steps": 0, "training_s": 0.0, "evaluation_s": 0.0}
    return columns | {name: [] for name in lists}


def prepare(settings):
    """Set this process up to train: the same numbers each time, and no time lost on memory."""
    machine.set_up(settings["device"], settings["threads"])
    machine.set_malloc("raised", settings["device"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the same of cuBLAS and cuDNN's LSTM
    # With the above torch fills each new tensor, should an operation read it before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False


def train(net, task, seq_len, settings, stream):
    """Train `net` with Adam for up to settings["steps"] steps; the measured columns of its shard.

    Training ends steps_after_solved steps after the one at which it is solved (`Watch`), to spend
    the budget where something is still open; until then only its losses are noted, and what it is
    evaluated by at the end is the confirmation. It is evaluated, and judged, at seq_len tokens all
    along, also while a curriculum trains on fewer. status: ok; diverged (a loss that is not finite;
    training ends there); over budget (max_seconds of training are spent).
    """
    steps, after, goal = (settings[k] for k in ("steps", "steps_after_solved", "solved_accuracy"))
    lessons, watch = Curriculum(task, seq_len, settings, stream), Watch(goal)
    trace = Trace(net, *sample(task, "probe", PROBED, seq_len, settings, stream))
    fresh, confirmation = generator(*stream, "eval"), generator(*stream, "confirm")
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["lr"])
    losses = torch.zeros(steps, device=settings["device"])  # filled without waiting for the device
    evaluations, status, seconds, done = [], "ok", 0.0, 0

    net.train()
    while done < steps and status == "ok" and not watch.solved:
        passed = watch.step is not None  # twice: it trains on unseen until its confirmation
        ahead = watch.step + after - done if passed else settings["evaluate_every"]
        ran = min(done + ahead, steps)
        seconds += stretch(net, optimizer, lessons, settings, losses, range(done, ran))
        finite = torch.isfinite(losses[done:ran])
        done = ran if finite.all() else done + int(finite.int().argmin()) + 1
        norm, length = gradient_norm(net), lessons.length
        size, passing = settings["evaluation_size"], goal if ran < steps else 0.0
        if not passed:
            loss, accuracy = evaluate(net, task, fresh, size, seq_len, settings, passing)
            watch.see(done, seconds, accuracy)
        lessons.review(net)
        if not finite.all():
            status = "diverged"
        elif done < steps and seconds > settings["max_seconds"]:
            status = "over budget"
        ends = done == steps or status != "ok"
        if watch.step is not None and (ends or done >= watch.step + after):
            size = settings["confirmation_size"]
            loss, accuracy = evaluate(net, task, confirmation, size, seq_len, settings, passing)
            watch.confirm(accuracy)
        evaluations.append((done, length, norm, loss, accuracy))
        print(f"step {done}/{steps}  loss {loss:.3f}  accuracy {accuracy:.3f}", file=sys.stderr)
        trace.look(gradient=ends or watch.solved or len(evaluations) % GRADIENTS == 0)

    names = ("eval_step", "train_length", "gradient_norm", "eval_loss", "eval_accuracy")
    columns = dict(zip(names, map(list, zip(*evaluations, strict=True)), strict=True))
    return {
        "status": status,
        "error": None if status == "ok" else f"{status} after {done} of {steps} steps",
        "steps": done,
        "train_loss": losses[:done].tolist(),
        **columns,
        **trace.columns(),
        **watch.columns(),
        "final_loss": columns["eval_loss"][-1],
        "final_accuracy": columns["eval_accuracy"][-1],
        "training_s": seconds,
        "step_s": seconds / ran,
    }


def stretch(net, optimizer, lessons, settings, losses, steps):
    """Train for these steps, a range, and note their losses; seconds that it took."""
    synchronize = machine.synchronizer(settings["device"])
    start = time.perf_counter()
    for step in steps:
        try:
            train_step(net, optimizer, *lessons.batch(), settings["ask_at"], losses, step)
        except RuntimeError as error:
            if "without overflow" not in str(error):  # what Adam says of a rate beyond float32
                raise
            losses[step] = math.inf
            break
    synchronize()
    return time.perf_counter() - start


def train_step(net, optimizer, tokens, targets, ask_at, losses, step):
    """Forward, backward, update; the loss is noted on the device.

    ask_at: end asks for the target after the last token; every_position asks after each token,
    which brings an error to where the first token is still near (compare the auxiliary losses of
    Trinh et al. 2018, section 3), and the loss is the mean over all positions.
    """
    tokens, targets = tokens.to(losses.device), targets.to(losses.device)
    if ask_at == "every_position":
        logits = net.at_every_position(tokens).flatten(0, 1)  # (batch * seq_len, vocabulary)
        loss = cross_entropy(logits, targets.repeat_interleave(tokens.shape[1]))
    else:
        loss = cross_entropy(net(tokens), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses[step] = loss.detach()


def examine(net, model, task, seq_len, settings, stream):
    """Columns on the trained net: what its answers follow, and how it does on longer sequences."""
    followed = intervene(net, *sample(task, "interventions", EXAMINED, seq_len, settings, stream))
    return followed | evaluate_longer(net, model, task, EXAMINED, seq_len, settings, stream)


def sample(task, name, size, seq_len, settings, stream):
    """Tokens (size, seq_len) and targets (size,) of the cell's stream `name`, on the device."""
    drawn = task.sample(generator(*stream, name), size, seq_len, settings["vocabulary"])
    return [part.to(settings["device"]) for part in drawn]


def gradient_norm(net):
    """Euclidean norm over the gradients of all parameters."""
    squares = [p.grad.square().sum() for p in net.parameters() if p.grad is not None]
    return math.sqrt(sum(square.item() for square in squares))
