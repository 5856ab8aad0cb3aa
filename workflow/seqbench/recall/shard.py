"""What a recall shard holds: the training of one model from one seed."""

import pyarrow as pa

from workflow.seqbench.shards import cell_schema, column

NUMBERS = pa.list_(pa.float64())


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
            column("eval_step", pa.list_(pa.int64()), "steps done at each evaluation"),
            column("eval_loss", NUMBERS, "cross-entropy in nats on fresh data"),
            column("eval_accuracy", NUMBERS, "accuracy on fresh data"),
            column("gradient_norm", NUMBERS, "global gradient norm at each evaluation's step"),
            column(
                "gradient_flow",
                pa.list_(NUMBERS),
                "norm of d loss / d embedding at each position, before training and at evaluations",
            ),
            column("initial_forget_gate", NUMBERS, "sigmoid of the LSTM's forget biases", True),
            column("attention", NUMBERS, "mean attention on each position at the end", True),
            column("solved_step", pa.int64(), "step of the first evaluation that passed", True),
            column("solved_s", pa.float64(), "seconds of training up to that step", True),
            column("final_loss", pa.float64(), "last evaluation's loss in nats", True),
            column("final_accuracy", pa.float64(), "last evaluation's accuracy", True),
            column("step_s", pa.float64(), "seconds a training step, evaluation left out", True),
            column("parameters", pa.int64(), "trainable parameters"),
            column("core_parameters", pa.int64(), "those without embedding and classifier"),
            column("vocabulary", pa.int64(), "size of the vocabulary; token 0 is not used"),
            column("batch_size", pa.int64(), "sequences a step"),
            column("d_model", pa.int64(), "width of the embedding"),
        ],
    )
