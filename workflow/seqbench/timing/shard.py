"""What a timing shard holds: the samples of one process and what is needed to judge them."""

import pyarrow as pa

from workflow.seqbench.shards import cell_schema, column

SECONDS = pa.list_(pa.float64())


def schema(experiment):
    """Schema of the shards of an experiment that times a call."""
    return cell_schema(
        experiment,
        [
            column("time_s", pa.float64(), "seconds a call: median of samples_s, or cold_s", True),
            column("reference_time_s", pa.float64(), "the same of the reference", True),
            column("half_time_s", pa.float64(), "the same of the model at half_seq_len", True),
            column("calibration_s", pa.float64(), "the same of the calibration kernel", True),
            column("samples_s", SECONDS, "seconds a call of the model, one entry a round", True),
            column("reference_samples_s", SECONDS, "of the reference, in the same rounds", True),
            column("half_samples_s", SECONDS, "of the model at half_seq_len, likewise", True),
            column("calibrations_s", SECONDS, "of the calibration kernel, likewise", True),
            column("reference", pa.string(), "the model that took turns with this one", True),
            column("half_seq_len", pa.int64(), "tokens of half_samples_s", True),
            column("unpaired", pa.string(), "why a partner is missing", True),
            column("clock", pa.string(), "what counts the seconds: CPU time or wall", True),
            column("waited", pa.float64(), "share of wall time that the clock left out", True),
            column("speed_change", pa.float64(), "ln of second over first half of rounds", True),
            column("page_faults", pa.float64(), "minor page faults a call of the model", True),
            column("cold_s", pa.float64(), "seconds of the very first call, by the wall", True),
            column(
                "warmup_calls", pa.int64(), "turns of those calls before the first sample", True
            ),
            column("warmup_s", pa.float64(), "seconds of warm-up, of all together", True),
            column("sampling_s", pa.float64(), "seconds of the rounds, by the wall", True),
            column(
                "calls_per_sample", pa.int64(), "calls of the model that a sample repeats", True
            ),
            column("stop_reason", pa.string(), "why sampling ended", True),
            column("half_width", pa.float64(), "of the log ratio's median over rounds", True),
            column("call_memory_bytes", pa.int64(), "peak that one call adds", True),
            column("peak_memory_bytes", pa.int64(), "peak of the process during a call", True),
            column("parameters", pa.int64(), "trainable parameters", True),
            column("tokens", pa.int64(), "tokens that one call processes", True),
            column("flops", pa.int64(), "closed form, of one call", True),
            column("malloc", pa.string(), "C library and how it allocates large buffers"),
            column("pinned_to", pa.list_(pa.int64()), "cores that the process is kept on", True),
            column("batch_size", pa.int64(), "sequences a call"),
            column("d_model", pa.int64(), "width of input and output"),
            column("mode", pa.string(), "eval or train"),
            column("calls", pa.string(), "steady or cold: which call time_s speaks of"),
        ],
    )
