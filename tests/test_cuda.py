"""What differs where a cell runs on a GPU, without one: torch is told that "cuda" is the CPU.

No GPU has run these paths yet. What can be held to account without is which calls they make.
"""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from tests.conftest import shipped
from workflow.seqbench.config import check
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.measuring.timing import measure_cell
from workflow.seqbench.measuring.training import train_cell
from workflow.seqbench.models import build

SMALL = {"batch_size": 2, "d_model": 16}
QUICK = {"max_seconds": 0.05, "max_samples": 10, "warmup_s": 0.01, "sample_s": 0.001}
FEW = {"lr": 0.005, "steps": 6, "evaluate_every": 3, "evaluation_size": 16, "confirmation_size": 32}


class CudaIsCpu(TorchFunctionMode):
    """Every tensor that is asked to be on a GPU is made on the CPU."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        def on_cpu(value):
            is_cuda = isinstance(value, str | torch.device) and str(value).startswith("cuda")
            return torch.device("cpu") if is_cuda else value

        kwargs = {key: on_cpu(value) for key, value in (kwargs or {}).items()}
        return function(*map(on_cpu, args), **kwargs)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose allocator holds 1,000 bytes and has held 5,000; what was called, in order."""
    log = []
    fakes = {
        "is_available": lambda: True,
        "get_device_name": lambda: "a GPU",
        "synchronize": lambda: log.append("synchronize"),
        "reset_peak_memory_stats": lambda: log.append("reset"),
        "memory_allocated": lambda: 1000,
        "max_memory_allocated": lambda: 5000,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with CudaIsCpu():
        yield log


def cell(kind, model, seq_len, device, **settings):
    """Row of a small cell of the experiments timing or recall."""
    plan = check(shipped({"experiments": {kind: {"device": device} | SMALL | settings}}), False)
    entry, keys = plan.model(kind, model), {"model": model, "seq_len": seq_len, "seed": 0}
    settings = plan.settings(kind, model, seq_len)
    if kind == "timing":
        return measure_cell(kind, keys, entry, plan.reference(kind), settings)
    return train_cell(kind, keys, entry, settings)


def test_other_workloads_and_first_calls_are_synchronised_too(gpu):
    for more in (
        {"workload": "train_step", "mode": "train"},
        {"workload": "decode", "models": ["transformer_decoder_matched", "lstm"]},
        {"calls": "cold"},
    ):
        gpu.clear()
        model = more.get("models", ["lstm"])[0]
        row = cell("timing", model, 16, "cuda", **QUICK, **more)
        assert (row["status"], row["peak_ram_bytes"]) == ("ok", 5000), row["error"]
        assert gpu.count("synchronize") > 2 * len(row["samples_s"] or [0]), more


def test_a_gpu_without_memory_is_a_row(gpu, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(torch.nn.LSTM, "forward", full)
    for kind, more in (("timing", QUICK), ("recall", FEW)):
        row = cell(kind, "lstm", 16, "cuda", **more)
        assert row["status"] == "out of memory" and "20.00 GiB" in row["error"]


def test_a_timing_cell_is_synchronised_and_reads_the_allocator(gpu, monkeypatch):
    """And leaves malloc and the process's cores alone, which on a CPU it sets."""
    monkeypatch.setattr(machine.os, "sched_setaffinity", lambda *_: pytest.fail("pinned"))
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda *_: pytest.fail("malloc"))
    row = cell("timing", "transformer", 64, "cuda", **QUICK)
    assert row["status"] == "ok"
    assert (row["device"], row["device_name"]) == ("cuda", "a GPU")
    assert (row["call_ram_bytes"], row["peak_ram_bytes"]) == (4000, 5000)
    assert row["clock"] == "perf_counter"
    assert row["pinned_to"] is None
    assert row["malloc"].endswith(": system")
    assert len(row["samples_s"]) == len(row["reference_samples_s"]) == len(row["half_samples_s"])
    slices = 4 * len(row["samples_s"])  # with those of the calibration kernel
    assert gpu.count("synchronize") > 2 * slices
    assert not torch.backends.cudnn.allow_tf32


def test_every_slice_ends_with_a_synchronised_device():
    """A call that is only queued when it returns takes its time nevertheless."""
    queue, now = [], [0.0]

    def synchronize():
        now[0] += 0.01 * len(queue)
        queue.clear()

    quick = {"warmup_calls": 1, "warmup_s": 0, "sample_s": 0.03, "target_half_width": 0.5}
    quick |= {"min_samples": 3, "max_samples": 3, "max_seconds": 9}
    rng = np.random.default_rng(0)
    calls = {"model": lambda: queue.append("a call")}
    samples = sampling.alternate(calls, quick, rng, lambda: now[0], synchronize)
    assert samples.seconds["model"] == pytest.approx([0.01, 0.01, 0.01])


def test_a_training_on_the_gpu_is_that_on_the_cpu(gpu):
    """As far as it can be told: the same numbers where the device is the CPU in disguise."""
    there = cell("recall", "lstm", 6, "cuda", **FEW)
    here = cell("recall", "lstm", 6, "cpu", **FEW)
    assert there["train_loss"] == here["train_loss"]
    assert there["device"] == "cuda"
    assert "synchronize" in gpu
    assert machine.os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def models():
    """Every shipped model once, by what it is built from."""
    plan = check(shipped())
    cells = [(name, cell["model"]) for name in plan.names() for cell in plan.cells(name)]
    entries = {str(plan.model(*pair)): (pair[1], plan.model(*pair)) for pair in cells}
    return [pytest.param(entry, id=name) for name, entry in entries.values()]


@pytest.mark.parametrize("entry", models())
def test_no_model_makes_tensors_on_another_device_than_its_own(entry):
    """On torch's meta device, which refuses them as a GPU would."""
    net = build(entry, 64, 8).to("meta")
    assert net(torch.empty(2, 8, 64, device="meta")).device.type == "meta"
    if entry.get("causal") or entry["architecture"] in ("lstm", "gru", "mingru"):
        state = None
        for _ in range(2):
            out, state = net.eval().step(torch.empty(2, 64, device="meta"), state)
        assert out.device.type == "meta"
