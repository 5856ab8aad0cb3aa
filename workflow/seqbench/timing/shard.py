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
            column("cold_s", pa.float64(), "seconds of the very first call", True),
            column("warmup_calls", pa.int64(), "calls before the first sample", True),
            column("warmup_s", pa.float64(), "seconds of those calls", True),
            column("samples_s", SECONDS, "seconds a call, one entry a sample", True),
            column("calls_per_sample", pa.int64(), "calls that a sample repeats", True),
            column("stop_reason", pa.string(), "why sampling ended", True),
            column(
                "half_width", pa.float64(), "half-width of the median's interval / median", True
            ),
            column("steady_change", pa.float64(), "second half / first half of samples - 1", True),
            column("calibrations_s", SECONDS, "seconds of the calibration kernel", True),
            column("calibration_s", pa.float64(), "median of calibrations_s", True),
            column("calibration_drift", pa.float64(), "max / min of calibrations_s - 1", True),
            column("call_memory_bytes", pa.int64(), "peak that one call adds", True),
            column("peak_memory_bytes", pa.int64(), "peak of the process during a call", True),
            column("parameters", pa.int64(), "trainable parameters", True),
            column("tokens", pa.int64(), "tokens that one call processes", True),
            column("flops", pa.int64(), "closed form, of one call", True),
            column("batch_size", pa.int64(), "sequences a call"),
            column("d_model", pa.int64(), "width of input and output"),
            column("mode", pa.string(), "eval or train"),
            column("calls", pa.string(), "steady or cold: which call time_s speaks of"),
        ],
    )
