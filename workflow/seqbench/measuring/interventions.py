"""What the answer of a trained recall model follows when something inside it is exchanged.

Sequences are exchanged in pairs: each gets what belongs to the one before it in the batch, its
donor. An answer follows the donor when it is the donor's first token; counted over the pairs whose
first tokens differ.
"""

import torch


@torch.no_grad()
def intervene(net, tokens, targets):
    """Columns of every intervention that the model allows; tokens (batch, seq_len), targets (batch,).

    Recurrent models, half-way through the sequence:
        swap_PART_follows: share of answers that follow the donor when PART of the state is
        exchanged: `state` is all of it; an LSTM also has `cell` and `hidden` alone. Where the last
        position is read, exchanging all of it is exchanging the sequences' second halves, so a
        model that recalls must follow; which part it follows is the finding
    Transformers, in every layer and head:
        forbid_first_accuracy: no query may attend to the first key
        only_first_accuracy: every query attends to the first key alone
        swap_value_follows: share of answers that follow the donor when the value at the first
        position is exchanged, and all keys stay
    With a mean read-out the output at the first position reaches the answer whatever is done here.
    """
    training = net.training
    net.eval()
    x, donors = net.embedding(tokens), targets.roll(1)
    different = targets != donors

    def follows(y):
        return (answers(net, y) == donors)[different].double().mean().item()

    def accuracy(y):
        return (answers(net, y) == targets).double().mean().item()

    columns, core = {}, net.core
    if hasattr(core, "interrupted") and tokens.shape[1] > 1:
        for part in ("state", *(core.STATE if len(core.STATE) > 1 else ())):
            exchange = exchanger(core.STATE, part)
            y = core.interrupted(x, tokens.shape[1] // 2, exchange)
            columns[f"swap_{part}_follows"] = follows(y)
    if hasattr(core, "intervened"):
        columns["forbid_first_accuracy"] = accuracy(core.intervened(x, forbid_first))
        columns["only_first_accuracy"] = accuracy(core.intervened(x, only_first))
        columns["swap_value_follows"] = follows(core.intervened(x, swap_first_value))
    net.train(training)
    return columns


def answers(net, y):
    """The token that the net names, (batch,), from the outputs y of its core."""
    return net.read(y).argmax(dim=1)


def exchanger(names, part):
    """A function that gives each sequence its donor's `part` of a state; "state" is every part.

    The parts have shape (layers, batch, d_model) and the names `names`.
    """

    def exchange(*state):
        return [
            values.roll(1, dims=1) if part in ("state", name) else values
            for name, values in zip(names, state, strict=True)
        ]

    return exchange


# Changes of attention: weights (batch, heads, queries, keys), values (batch, heads, keys, width).


def forbid_first(weights, values):
    """No attention to the first key, and what is left scaled to sum to 1.

    A causal model's first query has nothing else to attend to and reads zero.
    """
    rest = weights.clone()
    rest[..., 0] = 0
    return rest / rest.sum(-1, keepdim=True).clamp_min(torch.finfo(rest.dtype).tiny), values


def only_first(weights, values):
    """All attention to the first key."""
    only = torch.zeros_like(weights)
    only[..., 0] = 1
    return only, values


def swap_first_value(weights, values):
    """The value at the first position is the donor's; the weights stay."""
    swapped = values.clone()
    swapped[:, :, 0] = values[:, :, 0].roll(1, dims=0)
    return weights, swapped
