"""What a recall shard holds: the training of one model from one seed."""

import pyarrow as pa

from workflow.seqbench.shards import cell_schema, column

NUMBERS = pa.list_(pa.float64())
FOLLOWS = "share of answers that name another sequence's first token when that one's"
PARTS = {
    "state": "whole state is exchanged half-way",
    "cell": "cell state alone is exchanged half-way",
    "hidden": "hidden state alone is exchanged half-way",
}


def schema(experiment="recall"):
    """Schema of the shards of an experiment that trains a model."""
    return cell_schema(
        experiment,
        [
            column("task", pa.string(), "name of the task"),
            column("steps", pa.int64(), "training steps done"),
            column("budget_steps", pa.int64(), "training steps allowed"),
            column("lr", pa.float64(), "learning rate of Adam"),
            column("train_loss", NUMBERS, "cross-entropy in nats, one entry a step"),
            column("train_length", pa.list_(pa.int64()), "tokens trained on up to each evaluation"),
            column("eval_step", pa.list_(pa.int64()), "steps done at each evaluation"),
            column(
                "eval_loss",
                NUMBERS,
                "cross-entropy in nats on fresh data: evaluation_size sequences, or fewer where those show that it fails",
            ),
            column("eval_accuracy", NUMBERS, "accuracy on the same"),
            column("gradient_norm", NUMBERS, "global gradient norm at each evaluation's step"),
            column(
                "gradient_flow",
                pa.list_(NUMBERS),
                "norm of d loss / d embedding at each position, before training and at evaluations",
            ),
            column("gradient_first_initial", pa.float64(), "its first entry at the first position"),
            column("gradient_last_initial", pa.float64(), "its first entry at the last position"),
            column(
                "gradient_share_initial",
                pa.float64(),
                "the one over the other; empty where no gradient reaches the last position",
                True,
            ),
            column(
                "initial_forget_gate",
                NUMBERS,
                "share of its state that each unit of a recurrent model keeps by its initial bias",
                True,
            ),
            column("attention", NUMBERS, "mean attention on each position at the end", True),
            column(
                "attention_first",
                NUMBERS,
                "mean attention on the first position, before training and at evaluations",
                True,
            ),
            column(
                "solved_step",
                pa.int64(),
                "step of the first of two evaluations in a row that passed, confirmed at the end",
                True,
            ),
            column("solved_s", pa.float64(), "seconds of training up to that step", True),
            column(
                "solved_step_loose",
                pa.int64(),
                "step of the first evaluation that passed, confirmed or not",
                True,
            ),
            column(
                "confirmed_accuracy",
                pa.float64(),
                "accuracy on confirmation_size fresh sequences after two evaluations in a row passed, the latest",
                True,
            ),
            *examined(),
            column("final_loss", pa.float64(), "last evaluation's loss in nats", True),
            column("final_accuracy", pa.float64(), "last evaluation's accuracy", True),
            column("training_s", pa.float64(), "seconds of training steps"),
            column("evaluation_s", pa.float64(), "seconds of evaluations and probes"),
            column("step_s", pa.float64(), "seconds a training step, evaluation left out", True),
            column("parameters", pa.int64(), "trainable parameters"),
            column("core_parameters", pa.int64(), "those without embedding and classifier"),
            column("vocabulary", pa.int64(), "size of the vocabulary; token 0 is not used"),
            column("batch_size", pa.int64(), "sequences a step"),
            column("d_model", pa.int64(), "width of the embedding"),
        ],
    )


def examined():
    """Columns on the trained model; empty where it does not allow the intervention."""
    meanings = {
        **{f"swap_{part}_follows": f"{FOLLOWS} {half_way}" for part, half_way in PARTS.items()},
        "swap_value_follows": f"{FOLLOWS} value at the first position is exchanged",
        "forbid_first_accuracy": "accuracy when no query may attend to the first key",
        "only_first_accuracy": "accuracy when every query attends to the first key alone",
        "accuracy_2x": "accuracy on sequences of twice the length",
        "accuracy_4x": "accuracy on sequences of four times the length",
    }
    numbers = [column(name, pa.float64(), meaning, True) for name, meaning in meanings.items()]
    reason = "why the model cannot read longer sequences"
    return [*numbers, column("accuracy_longer_error", pa.string(), reason, True)]
