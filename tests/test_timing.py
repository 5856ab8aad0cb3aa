"""The timing harness against known truth: callables of known duration, cells that cannot end well."""

import gc
import itertools
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from workflow.seqbench.timing import measure
from workflow.seqbench.timing.shard import schema

from tests.conftest import ROOT, shipped
from workflow.seqbench import workloads
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.workloads import forward

SETTINGS = {
    "warmup_calls": 5,
    "warmup_s": 0.3,
    "sample_s": 0.005,
    "target_half_width": 0.02,
    "min_samples": 10,
    "max_samples": 200,
    "max_seconds": 3,
}


class Clock:
    """A clock that stands still, except that calls move it on by a known time."""

    def __init__(self):
        self.now = 100.0
        self.calls = 0

    def perf_counter(self):
        return self.now

    def taking(self, durations):
        """A callable that takes the next of `durations` at each call."""
        durations = iter(durations)

        def call():
            self.calls += 1
            self.now += next(durations)
            return self.calls

        return call


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(sampling, "time", made)
    return made


def constant(seconds):
    return itertools.repeat(seconds)


def sample(call, calibrate=lambda: 0.01, **settings):
    return sampling.sample(call, SETTINGS | settings, calibrate)


# On a clock of our own: exact.


def test_a_known_duration_is_measured_exactly(clock):
    result = sample(clock.taking(constant(0.0004)))
    assert result["samples_s"] == pytest.approx([0.0004] * len(result["samples_s"]))
    assert result["flags"] == []


def test_the_cold_call_is_kept_apart(clock):
    result = sample(clock.taking(itertools.chain([0.9], constant(0.001))))
    assert result["cold_s"] == pytest.approx(0.9)
    assert result["warmup_s"] == pytest.approx(0.3)
    assert max(result["samples_s"]) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("duration", "calls"), [(0.001, 300), (0.1, 5)], ids=["by seconds", "by calls"]
)
def test_warm_up_has_enough_calls_and_seconds(clock, duration, calls):
    result = sample(clock.taking(constant(duration)), max_seconds=1)
    assert result["warmup_calls"] == pytest.approx(calls, abs=1)
    assert result["warmup_calls"] >= SETTINGS["warmup_calls"]
    assert result["warmup_s"] >= SETTINGS["warmup_s"] - 1e-9


@pytest.mark.parametrize("duration", [1e-6, 0.0007, 0.004, 0.02])
def test_every_sample_lasts_long_enough(clock, duration):
    result = sample(clock.taking(constant(duration)))
    lasted = np.array(result["samples_s"]) * result["calls_per_sample"]
    assert (lasted >= SETTINGS["sample_s"] - 1e-9).all()
    assert lasted.max() < 2 * max(SETTINGS["sample_s"], duration)


def test_a_slow_last_warm_up_call_does_not_make_samples_short(clock):
    durations = itertools.chain([0.001] * 5, [0.3], constant(0.0001))
    result = sample(clock.taking(durations))
    assert min(result["samples_s"]) * result["calls_per_sample"] >= SETTINGS["sample_s"] - 1e-9


def test_sampling_ends_when_the_interval_is_narrow(clock):
    result = sample(clock.taking(constant(0.001)))
    assert result["stop_reason"] == "interval narrow enough"
    assert len(result["samples_s"]) == SETTINGS["min_samples"]
    assert result["half_width"] == 0


def noisy(seed=0, spread=0.5):
    """Durations around 10 ms, too spread out to know their median to a thousandth."""
    rng = np.random.default_rng(seed)
    return iter(lambda: 0.01 * math.exp(spread * rng.standard_normal()), None)


def test_sampling_ends_at_the_number_of_samples(clock):
    result = sample(clock.taking(noisy()), target_half_width=0.001, max_samples=40)
    assert result["stop_reason"] == "max_samples"
    assert len(result["samples_s"]) == 40
    assert "interval wide" in result["flags"]


def test_sampling_ends_at_the_time(clock):
    result = sample(clock.taking(noisy()), target_half_width=0.001, max_seconds=0.5)
    assert result["stop_reason"] == "max_seconds"
    assert 0.4 < sum(result["samples_s"]) * result["calls_per_sample"] < 0.6


def test_fewer_samples_than_the_least_never_count_as_enough(clock):
    result = sample(clock.taking(constant(1.0)), warmup_calls=1)
    assert result["stop_reason"] == "max_seconds"
    assert len(result["samples_s"]) < SETTINGS["min_samples"]
    assert "interval wide" in result["flags"]


def test_a_drifting_callable_is_flagged(clock):
    growing = (0.01 * 1.01**i for i in itertools.count())
    assert "not steady" in sample(clock.taking(growing), min_samples=40)["flags"]
    assert "not steady" not in sample(clock.taking(noisy(spread=0.01)), min_samples=40)["flags"]


def test_outliers_are_kept(clock):
    durations = itertools.cycle([0.01] * 9 + [0.5])
    result = sample(clock.taking(durations), min_samples=50, max_seconds=60)
    share = np.mean(np.array(result["samples_s"]) > 0.4)
    assert share == pytest.approx(0.1, abs=0.03)


def test_the_calibration_kernel_runs_before_between_and_after(clock):
    kernel = iter([0.010, 0.010, 0.012, *[0.010] * 50])
    result = sample(
        clock.taking(noisy()), lambda: next(kernel), target_half_width=1e-9, max_seconds=3
    )
    assert len(result["calibrations_s"]) >= 2 + 4  # one for each half second between
    assert result["calibration_s"] == 0.010
    assert result["calibration_drift"] == pytest.approx(0.2)
    assert "calibration drift" in result["flags"]


def test_a_cold_cell_is_one_call(clock):
    result = sampling.cold(clock.taking(constant(0.7)), lambda: 0.01)
    assert clock.calls == 1
    assert result["cold_s"] == pytest.approx(0.7)
    assert result["samples_s"] == []
    assert result["stop_reason"] == "cold call only"
    assert set(result) == set(sample(clock.taking(constant(0.01))))


def test_nothing_is_collected_as_garbage_while_sampling(clock):
    seen = set()
    measured = clock.taking(constant(0.001))
    sample(lambda: (seen.add(gc.isenabled()), measured()) if clock.calls else measured())
    assert seen == {False}
    assert gc.isenabled()


def test_an_error_leaves_garbage_collection_on(clock):
    with pytest.raises(StopIteration):
        sample(clock.taking([0.001] * 3))
    assert gc.isenabled()


# On the real clock: ratios, and the best of a few attempts, as the machine may be busy.


def busy_wait(seconds):
    def call():
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return call


def test_busy_waits_are_measured_to_a_few_per_cent():
    quick = {"warmup_s": 0.01, "sample_s": 0.0005, "max_seconds": 0.3, "target_half_width": 0.002}
    off = []
    for _ in range(4):
        one, two = (np.median(sample(busy_wait(t), **quick)["samples_s"]) for t in (1e-4, 2e-4))
        off.append(max(abs(one / 1e-4 - 1), abs(two / one / 2 - 1)))
        if off[-1] < 0.03:
            return
    pytest.fail(f"off by {off}")


# What is timed.


def test_the_registry_of_workloads_is_the_folder():
    assert {"forward", "train_step", "decode"} <= set(workloads.workloads())


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_forward_pass_is_timed_in_its_mode_and_without_gradients(mode):
    settings = {"batch_size": 2, "d_model": 8, "mode": mode}
    entry = {"architecture": "transformer", "heads": 2, "dim_feedforward": 16, "dropout": 0.5}
    work = forward.prepare(entry, settings, 5, "cpu")
    seen = []
    work.module.register_forward_hook(
        lambda module, given, output: seen.append(
            (module.training, torch.is_inference_mode_enabled(), tuple(given[0].shape))
        )
    )
    first, second = work.call(), work.call()
    assert seen == [(mode == "train", True, (2, 5, 8))] * 2
    assert torch.equal(first, second) == (mode == "eval")  # dropout is in force in train mode
    assert work.tokens == 10
    assert work.flops == 2 * work.module.flops(5)


# Whole cells, in a process of their own: their limits on memory stay in force.

CODE = """
import json, sys
from workflow.seqbench.timing.measure import measure_cell
jobs = json.loads(sys.argv[1])
print(json.dumps({name: measure_cell("timing", *job) for name, *job in jobs}))
"""


@pytest.fixture(scope="module")
def rows():
    """Shard rows of some cells, measured in one process that was told to use two threads."""
    base = {
        key: value
        for key, value in shipped()["timing"].items()
        if key not in ("models", "seq_lens", "seeds")
    } | {"base_seed": 0, "d_model": 16, "warmup_s": 0.01, "max_seconds": 0.1}
    lstm = {"architecture": "lstm"}
    jobs = [
        ("plain", 20, lstm, {}),
        ("another seed", 20, lstm, {}),
        ("cold", 20, lstm, {"mode": "train", "calls": "cold"}),
        ("slow", 20, {"architecture": "tests.known_truth:Slow"}, {"time_limit_s": 0.25}),
        # 400 bytes for each pair of positions: 0.4 MB, 1.6 GB.
        ("fits", 32, {"architecture": "tests.known_truth:Hungry"}, {"memory_limit_mb": 400}),
        ("hungry", 2000, {"architecture": "tests.known_truth:Hungry"}, {"memory_limit_mb": 400}),
        ("after", 20, lstm, {}),
    ]
    jobs = [
        (name, {"model": "m", "seq_len": n, "seed": int(name == "another seed")}, model, base | own)
        for name, n, model, own in jobs
    ]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(jobs)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_a_cell_has_every_column(rows):
    for row in rows.values():
        assert set(row) <= set(schema("timing").names)
        assert all(row.get(f.name) is not None for f in schema("timing") if not f.nullable)
    lacking = {name for name in schema("timing").names if rows["plain"].get(name) is None}
    assert lacking <= {"error", "governor", "git_commit", "git_dirty"}


def test_the_time_of_a_cell_is_the_median_of_its_samples(rows):
    row = rows["plain"]
    assert row["status"] == "ok"
    assert row["time_s"] == np.median(row["samples_s"])
    assert row["cold_s"] != row["time_s"]
    assert row["parameters"] == 4 * (2 * 16**2 + 2 * 16)
    assert row["flops"] == 20 * 4 * 2 * (16 * 16 + 16 * 16)
    assert row["tokens"] == 20
    assert row["mode"] == "eval"


def test_threads_are_what_the_config_says(rows):
    """Whatever the environment asks for, as Snakemake sets it to the job's threads."""
    assert {(row["threads"], row["interop_threads"]) for row in rows.values()} == {(1, 1)}


def test_the_machine_is_recorded(rows):
    row = rows["plain"]
    assert row["torch"] == torch.__version__
    assert row["cpu_model"]
    assert row["cpu_cores"] >= 1
    assert row["load_start"] >= 0
    assert row["busy_cores"] >= 0
    assert row["peak_memory_bytes"] > row["call_memory_bytes"] >= 0
    same = ("plain", "another seed", "after")
    assert len({rows[name]["config_digest"] for name in same}) == 1
    assert rows["cold"]["config_digest"] != row["config_digest"]


def test_the_original_protocol_is_one_cold_call(rows):
    row = rows["cold"]
    assert row["status"] == "ok"
    assert row["time_s"] == row["cold_s"]
    assert row["samples_s"] == []
    assert row["warmup_calls"] == 0
    assert (row["mode"], row["calls"]) == ("train", "cold")


def test_a_cell_that_takes_too_long_is_a_row(rows):
    row = rows["slow"]
    assert row["status"] == "over budget"
    assert "0.25 s" in row["error"]
    assert row.get("time_s") is None


def test_a_cell_that_does_not_fit_into_memory_is_a_row_and_the_next_one_runs(rows):
    assert rows["fits"]["status"] == "ok"
    row = rows["hungry"]
    assert row["status"] == "out of memory"
    assert row["error"]
    assert row.get("time_s") is None
    assert rows["after"]["status"] == "ok"


def test_memory_of_a_call_is_what_it_needs(rows):
    """The callable fills 0.4 MB; a page more or less, and torch's own."""
    assert rows["fits"]["call_memory_bytes"] < 40e6


def test_other_errors_are_not_hidden(monkeypatch):
    """A bug in a model must not look like a cell that was too large."""
    monkeypatch.setattr(machine, "limit_memory", lambda megabytes: None)

    def broken(*arguments):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(forward, "prepare", broken)
    settings = shipped()["timing"] | {"base_seed": 0}
    cell = {"model": "lstm", "seq_len": 5, "seed": 0}
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        measure.measure_cell("timing", cell, {"architecture": "lstm"}, settings)
