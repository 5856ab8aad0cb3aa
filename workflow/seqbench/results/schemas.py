"""What a shard holds: one schema per kind of experiment, each column with its unit or meaning."""

import pyarrow as pa

TEXT, WHOLE, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
NUMBERS = pa.list_(NUMBER)


def column(name, kind, unit_or_meaning, nullable=False):
    """A schema column whose metadata says what it holds."""
    return pa.field(name, kind, nullable, {"description": unit_or_meaning})


FIRST = [
    column("experiment", TEXT, "name of the experiment"),
    column("model", TEXT, "name of the model in config.yaml"),
    column("architecture", TEXT, "architecture of the model"),
    column("seq_len", WHOLE, "tokens"),
    column("seed", WHOLE, "seed of the cell; each seed is a process of its own"),
    column("status", TEXT, "ok, or why the cell has no result"),
    column("error", TEXT, "message behind a status other than ok", True),
]
MACHINE = [
    column("flags", pa.list_(TEXT), "reasons to read the numbers with care"),
    column("device", TEXT, "cpu or cuda"),
    column("device_name", TEXT, "CPU or GPU model"),
    column("cpu_model", TEXT, "CPU model"),
    column("cpu_cores", WHOLE, "cores this process may run on"),
    column("threads", WHOLE, "torch intra-op threads in force"),
    column("interop_threads", WHOLE, "torch inter-op threads in force"),
    column("governor", TEXT, "CPU frequency governor", True),
    column("kernel", TEXT, "operating system and kernel"),
    column("python", TEXT, "Python version"),
    column("torch", TEXT, "torch version and build"),
    column("git_commit", TEXT, "commit of the working tree", True),
    column("git_dirty", FLAG, "the working tree had uncommitted changes", True),
    column("config_digest", TEXT, "sha256 of the cell's parameters, 12 digits"),
    column("started_at", TEXT, "UTC, ISO 8601"),
    column("load_start", NUMBER, "1-minute load average before"),
    column("load_end", NUMBER, "1-minute load average after"),
    column("busy_cores", NUMBER, "cores kept busy by other processes, mean"),
]
MEASURED = {
    "timing": [
        column("time_s", NUMBER, "seconds a call: median of samples_s, or cold_s", True),
        column("cold_s", NUMBER, "seconds of the very first call", True),
        column("warmup_calls", WHOLE, "calls before the first sample", True),
        column("warmup_s", NUMBER, "seconds of those calls", True),
        column("samples_s", NUMBERS, "seconds a call, one entry a sample", True),
        column("calls_per_sample", WHOLE, "calls that a sample repeats", True),
        column("stop_reason", TEXT, "why sampling ended", True),
        column("half_width", NUMBER, "half-width of the median's interval / median", True),
        column("steady_change", NUMBER, "second half / first half of samples - 1", True),
        column("calibrations_s", NUMBERS, "seconds of the calibration kernel", True),
        column("calibration_s", NUMBER, "median of calibrations_s", True),
        column("calibration_drift", NUMBER, "max / min of calibrations_s - 1", True),
        column("call_memory_bytes", WHOLE, "peak that one call adds", True),
        column("peak_memory_bytes", WHOLE, "peak of the process during a call", True),
        column("parameters", WHOLE, "trainable parameters", True),
        column("tokens", WHOLE, "tokens that one call processes", True),
        column("flops", WHOLE, "closed form, of one call", True),
        column("workload", TEXT, "what a call is: a file of workflow/seqbench/workloads"),
        column("batch_size", WHOLE, "sequences a call"),
        column("d_model", WHOLE, "width of input and output"),
        column("mode", TEXT, "eval or train"),
        column("calls", TEXT, "steady or cold: which call time_s speaks of"),
    ],
    "training": [
        column("task", TEXT, "name of the task"),
        column("steps", WHOLE, "training steps done"),
        column("budget_steps", WHOLE, "training steps allowed"),
        column("lr", NUMBER, "learning rate of Adam"),
        column("train_loss", NUMBERS, "cross-entropy in nats, one entry a step"),
        column("eval_step", pa.list_(WHOLE), "steps done at each evaluation"),
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
        column("solved_step", WHOLE, "step of the first evaluation that passed", True),
        column("solved_s", NUMBER, "seconds of training up to that step", True),
        column("final_loss", NUMBER, "last evaluation's loss in nats", True),
        column("final_accuracy", NUMBER, "last evaluation's accuracy", True),
        column("step_s", NUMBER, "seconds a training step, evaluation left out", True),
        column("parameters", WHOLE, "trainable parameters"),
        column("core_parameters", WHOLE, "those without embedding and classifier"),
        column("vocabulary", WHOLE, "size of the vocabulary; token 0 is not used"),
        column("batch_size", WHOLE, "sequences a step"),
        column("d_model", WHOLE, "width of the embedding"),
    ],
}


def schema(kind, experiment):
    """Schema of the shards of an experiment of a kind, timing or training."""
    metadata = {"experiment": experiment, "kind": kind, "schema_version": "2"}
    return pa.schema([*FIRST, *MEASURED[kind], *MACHINE], metadata=metadata)


def name_of(schema):
    """The experiment that a schema is of."""
    return schema.metadata[b"experiment"].decode()
