"""How a classifier does on sequences it has not seen, at its own length and beyond."""

import torch
from torch.nn.functional import cross_entropy

from workflow.seqbench.measuring import machine
from workflow.seqbench.measuring.classifier import build_classifier
from workflow.seqbench.measuring.seeds import generator
from workflow.seqbench.models import matched_width

FIRST, CHUNK = 16, 32  # sequences of an evaluation's first forward pass, and of later ones at most
LONGER = (2, 4)  # times its own length at which a trained model is tried


@torch.inference_mode()
def evaluate(net, task, fresh, size, seq_len, settings, passing=0.0):
    """Loss in nats and accuracy on the next `size` sequences of the stream `fresh`, in eval mode.

    An evaluation that can no longer reach the accuracy `passing` ends after the chunk that shows it,
    with the loss and accuracy of the sequences so far: most evaluations of a training fail, and
    they cost a sixteenth this way. The stream goes on by `size` sequences all the same.
    """
    training = net.training
    net.eval()
    tokens, targets = task.sample(fresh, size, seq_len, settings["vocabulary"])
    tokens, targets = tokens.to(settings["device"]), targets.to(settings["device"])
    loss = correct = seen = 0
    while seen < size and (correct + size - seen) / size >= passing:
        chunk = slice(seen, seen + min(CHUNK, max(FIRST, seen)))
        logits = net(tokens[chunk])
        loss += cross_entropy(logits, targets[chunk], reduction="sum").item()
        correct += (logits.argmax(dim=1) == targets[chunk]).sum().item()
        seen += len(logits)
    net.train(training)
    return loss / seen, correct / seen


def evaluate_longer(net, model, task, size, seq_len, settings, stream):
    """Columns: accuracy on `size` sequences of 2 and of 4 times the net's length, or why it has none."""
    columns = {f"accuracy_{factor}x": None for factor in LONGER}
    try:
        if "match_parameters_to" in model:  # as wide as it is, not as a longer one would have to be
            width = matched_width(model, settings["d_model"], seq_len)
            rest = {key: value for key, value in model.items() if key != "match_parameters_to"}
            model = rest | {"dim_feedforward": width}
        longer = lengthened(net, model, settings, max(LONGER) * seq_len)
        for factor in LONGER:
            fresh = generator(*stream, "longer", factor)
            _, columns[f"accuracy_{factor}x"] = evaluate(
                longer, task, fresh, size, factor * seq_len, settings
            )
    except (ValueError, MemoryError, RuntimeError) as error:
        if not (isinstance(error, ValueError) or machine.is_out_of_memory(error)):
            raise
        return columns | {"accuracy_longer_error": str(error).split("\n")[0]}
    return columns | {"accuracy_longer_error": None}


@torch.no_grad()
def lengthened(net, model, settings, seq_len):
    """A copy of the net that reads up to seq_len tokens, its tables of fixed positions as long.

    Raises ValueError where a learned parameter has the length of the sequence.
    """
    longer = build_classifier(model, settings, seq_len).to(settings["device"])
    trained, parameters = net.state_dict(), dict(longer.named_parameters())
    for name, tensor in longer.state_dict().items():
        if tensor.shape == trained[name].shape:
            tensor.copy_(trained[name])
        elif name in parameters:
            raise ValueError(f"{name} is learned and has {len(trained[name])} positions")
    return longer
