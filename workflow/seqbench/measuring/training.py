"""Train one cell in this process and return its shard row."""

import math
import sys
import time

import torch
from torch.nn.functional import cross_entropy

from workflow.seqbench import tasks
from workflow.seqbench.measuring import machine
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.probes import first_token_attention, forget_gate, gradient_flow
from workflow.seqbench.measuring.seeds import derive, generator
from workflow.seqbench.models import parameters


def train_cell(experiment, cell, model, settings):
    """Row of one cell; `cell` holds model (its name), seq_len and seed.

    Data depend on (base_seed, task, seq_len, seed) and so are shared by all models; the
    initialisation depends on the model's name as well; evaluation data are a stream of their own.
    The same cell gives the same losses bit for bit on the same machine and thread count.
    """
    machine.set_up(settings["device"], settings["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    task = tasks.get(settings["task"])
    seq_len = cell["seq_len"]
    stream = (settings["base_seed"], settings["task"], seq_len, cell["seed"])
    torch.manual_seed(derive(*stream, "init", cell["model"]))
    net = build_classifier(model, settings, seq_len).to(settings["device"])
    row = {
        "experiment": experiment,
        **cell,
        "architecture": model["architecture"],
        "flags": [],
        **{key: settings[key] for key in ("task", "lr", "vocabulary", "batch_size", "d_model")},
        "budget_steps": settings["steps"],
        "chance_loss_nats": task.chance_loss(seq_len, settings["vocabulary"]),
        "bag_of_tokens_loss_nats": task.bag_of_tokens_loss(seq_len, settings["vocabulary"]),
        "parameters": parameters(net),
        "core_parameters": parameters(net.core),
        **machine.describe(settings["device"], {"model": model, "settings": settings}),
    }
    with machine.watch_load() as load:
        row |= train(net, task, seq_len, settings, stream)
    return row | load


def train(net, task, seq_len, settings, stream):
    """Train `net` with Adam for up to settings["steps"] steps; the measured columns of its shard.

    Training ends steps_after_solved steps after the first evaluation that passes, to spend the
    budget where something is still open. status: ok; diverged (a loss that is not finite; training ends there); over budget
    (max_seconds of training are spent).
    """
    device = settings["device"]
    steps, every = settings["steps"], settings["evaluate_every"]
    batch = (settings["batch_size"], seq_len, settings["vocabulary"])
    data = generator(*stream, "train")
    fresh = generator(*stream, "eval")
    optimizer = torch.optim.Adam(net.parameters(), lr=settings["lr"])
    synchronize = machine.synchronizer(device)
    losses = torch.zeros(steps, device=device)  # filled without waiting for the device
    look = [part.to(device) for part in task.sample(generator(*stream, "probe"), *batch)]
    evaluations, norms, flows, gates = [], [], [gradient_flow(net, *look)], forget_gate(net)
    status, solved_step, solved_s, seconds, done = "ok", None, None, 0.0, 0

    net.train()
    while done < steps and status == "ok" and not enough(done, solved_step, settings):
        start = time.perf_counter()
        until = min(done + every, steps)
        for step in range(done, until):
            train_step(net, optimizer, *task.sample(data, *batch), losses, step)
        synchronize()
        seconds += time.perf_counter() - start

        finite = torch.isfinite(losses[done:until])
        ran = until
        done = until if finite.all() else done + int(finite.int().argmin()) + 1
        norms.append(gradient_norm(net))
        loss, accuracy = evaluate(net, task, fresh, seq_len, settings)
        evaluations.append((done, loss, accuracy))
        flows.append(gradient_flow(net, *look))
        if not finite.all():
            status = "diverged"
        elif accuracy >= settings["solved_accuracy"] and solved_step is None:
            solved_step, solved_s = done, seconds
        if status == "ok" and done < steps and seconds > settings["max_seconds"]:
            status = "over budget"
        print(f"step {done}/{steps}  loss {loss:.3f}  accuracy {accuracy:.3f}", file=sys.stderr)

    eval_step, eval_loss, eval_accuracy = map(list, zip(*evaluations, strict=True))
    return {
        "status": status,
        "error": None if status == "ok" else f"{status} after {done} of {steps} steps",
        "steps": done,
        "train_loss": losses[:done].tolist(),
        "eval_step": eval_step,
        "eval_loss": eval_loss,
        "eval_accuracy": eval_accuracy,
        "gradient_norm": norms,
        "gradient_flow": flows,
        "initial_forget_gate": gates,
        "attention": first_token_attention(net, look[0]),
        "solved_step": solved_step,
        "solved_s": solved_s,
        "final_loss": eval_loss[-1],
        "final_accuracy": eval_accuracy[-1],
        "step_s": seconds / ran,
    }


def enough(done, solved_step, settings):
    """Whether a solved cell has gone on for steps_after_solved."""
    return solved_step is not None and done >= solved_step + settings["steps_after_solved"]


def train_step(net, optimizer, tokens, targets, losses, step):
    """Forward, backward, update; the loss is noted on the device."""
    loss = cross_entropy(net(tokens.to(losses.device)), targets.to(losses.device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses[step] = loss.detach()


@torch.inference_mode()
def evaluate(net, task, fresh, seq_len, settings):
    """Loss in nats and accuracy on evaluation_size fresh sequences, in eval mode."""
    net.eval()
    loss = correct = 0.0
    left = settings["evaluation_size"]
    while left > 0:
        size = min(left, settings["batch_size"])
        tokens, targets = task.sample(fresh, size, seq_len, settings["vocabulary"])
        logits, targets = net(tokens.to(settings["device"])), targets.to(settings["device"])
        loss += cross_entropy(logits, targets, reduction="sum").item()
        correct += (logits.argmax(dim=1) == targets).sum().item()
        left -= size
    net.train()
    return loss / settings["evaluation_size"], correct / settings["evaluation_size"]


def gradient_norm(net):
    """Euclidean norm over the gradients of all parameters."""
    squares = [p.grad.square().sum() for p in net.parameters() if p.grad is not None]
    return math.sqrt(sum(square.item() for square in squares))
