"""The timing harness against known truth: calls of known duration, cells that cannot end well."""

import gc
import itertools
import json
import os
import subprocess
import sys
import time
from collections import namedtuple

import numpy as np
import psutil
import pytest
import torch

from tests.conftest import ROOT, shipped
from workflow.seqbench import workloads
from workflow.seqbench.config import check
from workflow.seqbench.log import UserError
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.measuring import timing as measure
from workflow.seqbench.results.schemas import schema
from workflow.seqbench.workloads import forward

SETTINGS = {
    "warmup_calls": 2,
    "warmup_s": 0.3,
    "sample_s": 0.005,
    "target_half_width": 0.02,
    "min_samples": 10,
    "max_samples": 200,
    "max_seconds": 3,
}

ONE_TURN = {"warmup_calls": 1, "warmup_s": 0}


class Clock:
    """Clocks that stand still, except that calls move them on by a known time.

    now: on the wall; cpu: as long as others do not take `taken` of it; round: rounds of `calls`
    that have ended, where each slice is one call; log: names of the calls made.
    """

    def __init__(self):
        self.now = self.cpu = 100.0
        self.taken, self.log = 0.0, []

    def perf_counter(self):
        return self.now

    def process_time(self):
        return self.cpu

    def taking(self, durations, name="model"):
        """A call of this name that takes the next of `durations`, or always as long."""
        if isinstance(durations, float):
            durations = itertools.repeat(durations)
        durations = iter(durations)

        def call():
            self.log.append(name)
            seconds = next(durations)
            self.cpu += seconds
            self.now += seconds / (1 - self.taken)

        return call


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(sampling, "time", made)
    return made


def alternate(calls, seed=0, clock=None, faults=lambda: 0, **settings):
    """`sampling.alternate` of one call, or of a dict of them, by the clock on the wall."""
    calls = calls if isinstance(calls, dict) else {"model": calls}
    rng = np.random.default_rng(seed)
    clock = clock or (lambda: sampling.time.perf_counter())
    return sampling.alternate(calls, SETTINGS | settings, rng, clock, faults=faults)


def noise(spread, seed=0, centre=0.01):
    """Durations around `centre` seconds, log-normal."""
    rng = np.random.default_rng(seed)
    return iter(lambda: centre * float(np.exp(spread * rng.standard_normal())), None)


# On clocks of our own: exact.


@pytest.mark.parametrize("pair", [(0.0004, 0.0001), (0.02, 0.003), (0.0001, 0.3)])
def test_known_durations_are_measured_exactly(clock, pair):
    first, second = pair
    result = alternate({"a": clock.taking(first), "b": clock.taking(second)})
    assert result.seconds["a"] == pytest.approx([first] * len(result.seconds["a"]))
    assert result.seconds["b"] == pytest.approx([second] * len(result.seconds["a"]))


def test_every_round_times_each_call_once_in_an_order_of_its_own(clock):
    names = ["model", "reference", "half", "calibration"]
    calls = {name: clock.taking(0.01, name) for name in names}
    result = alternate(calls, **ONE_TURN, min_samples=60)
    rounds = [tuple(clock.log[i : i + 4]) for i in range(4, len(clock.log), 4)]
    assert len(rounds) == 60 == len(result.seconds["model"])
    assert all(sorted(order) == sorted(names) for order in rounds)
    firsts = [order[0] for order in rounds]
    assert all(firsts.count(name) >= 5 for name in names)  # 15 expected
    followed = {pair for order in rounds for pair in itertools.pairwise(order)}
    assert len(followed) == 12  # each is sometimes next after each


def test_the_order_comes_from_the_seed(clock):
    def order(seed):
        clock.log.clear()
        alternate({n: clock.taking(0.01, n) for n in "abcd"}, seed)
        return list(clock.log)

    assert order(1) == order(1) != order(2)


def in_rounds(clock, bases, factors):
    """Calls that take so long, each turn or round of them times its factor."""
    made = itertools.count()

    def durations(base):
        while True:
            yield base * factors[next(made) // len(bases)]

    return {name: clock.taking(durations(base), name) for name, base in bases.items()}


def test_what_lasts_a_round_cancels_in_the_ratio_of_the_round(clock):
    """The machine is up to three times as slow from one round to the next, the ratio always 2."""
    speed = np.random.default_rng(0).uniform(1, 3, 51)
    calls = in_rounds(clock, {"a": 0.04, "b": 0.02}, speed)
    result = alternate(calls, **ONE_TURN, max_samples=50, max_seconds=1e9, target_half_width=-1)
    a, b = (np.array(result.seconds[name]) for name in "ab")
    assert a == pytest.approx(0.04 * speed[1:])
    assert a / b == pytest.approx([2.0] * 50)
    assert result.half_width == pytest.approx(0, abs=1e-12)


def test_a_short_call_is_made_once_untimed_before_its_slice(clock):
    """The first call after another one takes three times as long; a long one is not repeated."""

    def colder(name, seconds):
        def durations():
            while True:
                yield seconds * (1 if clock.log[-2:-1] == [name] else 3)

        return clock.taking(durations(), name)

    result = alternate({"a": colder("a", 0.001), "b": colder("b", 0.002)}, warmup_s=0.05)
    assert result.seconds["a"] == pytest.approx([0.001] * len(result.seconds["a"]))
    assert result.seconds["b"] == pytest.approx([0.002] * len(result.seconds["a"]))

    clock.log.clear()
    alternate({"a": clock.taking(0.006, "a"), "b": clock.taking(0.007, "b")}, min_samples=30)
    rounds = [sorted(pair) for pair in zip(clock.log[-60::2], clock.log[-59::2], strict=True)]
    assert rounds == [["a", "b"]] * 30  # no call but the timed ones


@pytest.mark.parametrize(
    ("duration", "turns"), [(0.001, 15), (0.2, 2)], ids=["by seconds", "by calls"]
)
def test_warm_up_has_enough_calls_and_seconds(clock, duration, turns):
    result = alternate({"a": clock.taking(duration), "b": clock.taking(duration)})
    assert result.warmup_calls == pytest.approx(turns, abs=1)
    assert result.warmup_calls >= SETTINGS["warmup_calls"]
    assert result.warmup_s >= SETTINGS["warmup_s"] - 1e-9


def test_slow_first_calls_are_no_samples(clock):
    durations = itertools.chain([0.9, 0.5], itertools.repeat(0.001))
    assert max(alternate(clock.taking(durations)).seconds["model"]) == pytest.approx(0.001)


@pytest.mark.parametrize("duration", [1e-6, 0.0007, 0.004, 0.02])
def test_every_slice_lasts_long_enough(clock, duration):
    result = alternate(clock.taking(duration))
    lasted = np.array(result.seconds["model"]) * result.repeats["model"]
    assert (lasted >= SETTINGS["sample_s"] - 1e-9).all()
    assert lasted.max() < 2 * max(SETTINGS["sample_s"], duration)


def test_a_slow_last_warm_up_call_does_not_make_slices_short(clock):
    result = alternate(clock.taking(itertools.chain([0.001] * 5, [0.3], itertools.repeat(1e-4))))
    assert min(result.seconds["model"]) * result.repeats["model"] >= SETTINGS["sample_s"] - 1e-9


def test_sampling_ends_when_the_ratio_is_known(clock):
    """However much both times vary together, and not by how well one of them is known."""
    common = list(itertools.islice(noise(0.5, centre=1), 400))
    result = alternate(in_rounds(clock, {"a": 0.09, "b": 0.03}, common), **ONE_TURN)
    assert result.stop_reason == "interval narrow enough"
    assert len(result.seconds["a"]) == SETTINGS["min_samples"]

    calls = {"a": clock.taking(noise(0.2)), "b": clock.taking(0.01), "c": clock.taking(0.01)}
    assert len(alternate(calls).seconds["a"]) > SETTINGS["min_samples"]


@pytest.mark.parametrize("target", [0.02, 0.05])
def test_sampling_ends_at_the_first_round_that_is_precise_enough(clock, target):
    calls = {"a": clock.taking(noise(0.1)), "b": clock.taking(noise(0.1, seed=1))}
    result = alternate(calls, target_half_width=target, max_samples=10_000, max_seconds=1e9)
    ratios = np.log(result.seconds["a"]) - np.log(result.seconds["b"])
    assert result.stop_reason == "interval narrow enough"
    assert of_the_mean(ratios) <= target < of_the_mean(ratios[:-1])
    assert result.half_width == pytest.approx(of_the_mean(ratios))


def of_the_mean(values):
    """Half-width of the 95 % interval of a mean, written anew: not held to its own arithmetic."""
    n, mean = len(values), sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return 1.96 * np.sqrt(variance / n)


def test_the_interval_covers_the_mean_of_what_is_sampled():
    """The share of simulated cells whose mean ratio is that near to the truth."""
    cells = np.random.default_rng(0).normal(0.3, 0.1, (2000, 30))
    near = [abs(cell.mean() - 0.3) <= sampling.half_width(cell) for cell in cells]
    assert 0.92 < np.mean(near) < 0.96


def test_sampling_ends_at_the_number_of_rounds(clock):
    result = alternate(clock.taking(noise(0.5)), target_half_width=0.001, max_samples=40)
    assert result.stop_reason == "max_samples"
    assert len(result.seconds["model"]) == 40


def test_sampling_ends_at_the_time(clock):
    calls = clock.taking(noise(0.5, centre=0.02))
    result = alternate(calls, min_samples=2, target_half_width=0.001, max_seconds=0.5)
    assert result.stop_reason == "max_seconds"
    assert 0.4 < sum(result.seconds["model"]) < 0.6


def test_there_are_never_fewer_rounds_than_asked_for(clock):
    result = alternate(clock.taking(1.0), target_half_width=-1)
    assert result.stop_reason == "max_seconds"
    assert len(result.seconds["model"]) == SETTINGS["min_samples"]


def test_outliers_are_kept(clock):
    durations = itertools.cycle([0.01] * 9 + [0.5])
    result = alternate(clock.taking(durations), min_samples=50)
    share = np.mean(np.array(result.seconds["model"]) > 0.4)
    assert share == pytest.approx(0.1, abs=0.03)


def test_what_others_take_does_not_count_and_is_known(clock):
    """Others take three quarters of the core: CPU time stays, the wall's is four times as long."""
    clock.taken = 0.75
    calls = {"a": clock.taking(0.02), "b": clock.taking(0.01)}
    result = alternate(calls, clock=clock.process_time)
    assert result.seconds["a"] == pytest.approx([0.02] * len(result.seconds["a"]))
    assert result.waited == pytest.approx(0.75)
    wall = alternate(calls)
    assert wall.seconds["a"] == pytest.approx([0.08] * len(wall.seconds["a"]))
    assert wall.waited == pytest.approx(0)


def test_page_faults_are_those_of_a_call_s_own_slices(clock):
    """At 7 a call of one kind and 1,000 of the other, in slices of three calls and of one."""
    total = {"faults": 0}

    def faulting(call, faults):
        def faulty():
            total["faults"] += faults
            return call()

        return faulty

    calls = {
        "a": faulting(clock.taking(0.002), 7),
        "b": faulting(clock.taking(0.01), 1000),
        "c": clock.taking(0.01),
    }
    assert alternate(calls, faults=lambda: total["faults"]).faults == {"a": 7, "b": 1000, "c": 0}


def test_nothing_is_collected_as_garbage_while_sampling(clock):
    seen = set()
    measured = clock.taking(0.001)
    alternate(lambda: (seen.add(gc.isenabled()), measured()))
    assert seen == {False}
    assert gc.isenabled()


def test_an_error_leaves_garbage_collection_on(clock):
    with pytest.raises(StopIteration):
        alternate(clock.taking([0.001] * 3))
    assert gc.isenabled()


def test_a_cold_call_is_one_call(clock):
    seconds, output = sampling.cold(lambda: (clock.taking(0.7)(), "output")[1])
    assert (seconds, output) == (pytest.approx(0.7), "output")
    assert clock.log == ["model"]


# Flags: disturbances of known size, on clocks of our own.


def flags(result, busy_cores=0.0):
    """Flags of a cell with these samples."""
    return measure.flags_of(measure.sample_columns(result) | {"busy_cores": busy_cores})


def test_a_quiet_cell_has_no_flag(clock):
    """With 5 % of noise in each slice, as few rounds as there may be, and a little company."""
    clock.taken = 0.02
    calls = {n: clock.taking(noise(0.05, i), n) for i, n in enumerate(("model", "calibration"))}
    for _ in range(50):
        result = alternate(calls, clock=clock.process_time, max_samples=10)
        assert flags(result, busy_cores=0.1) == []


@pytest.mark.parametrize(("taken", "flagged"), [(0.2, False), (0.3, True), (0.8, True)])
def test_a_busy_core_is_flagged(clock, taken, flagged):
    clock.taken = taken
    calls = {"model": clock.taking(0.02), "calibration": clock.taking(0.01)}
    result = alternate(calls, clock=clock.process_time)
    assert flags(result) == (["busy core"] if flagged else [])


@pytest.mark.parametrize(("others", "flagged"), [(0.4, False), (0.6, True), (1.5, True)])
def test_a_busy_machine_is_flagged(clock, monkeypatch, others, flagged):
    """So many cores in the two seconds of a cell that takes 1.5 s of CPU time itself."""
    Times = namedtuple("Times", "user system idle iowait")
    now = {"machine": Times(50.0, 5.0, 90.0, 1.0), "own": Times(3.0, 1.0, 0.0, 0.0)}
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(psutil, "cpu_times", lambda: now["machine"])
    monkeypatch.setattr(psutil.Process, "cpu_times", lambda process: now["own"])
    with machine.watch_load() as load:
        clock.now += 2
        now["own"] = Times(4.0, 1.5, 0.0, 0.0)
        now["machine"] = Times(51.0 + 2 * others, 5.5, 91.0, 9.0)
    assert load["busy_cores"] == pytest.approx(others)
    calls = {"model": clock.taking(0.02), "calibration": clock.taking(0.01)}
    assert flags(alternate(calls), load["busy_cores"]) == (["busy machine"] if flagged else [])


@pytest.mark.parametrize(
    ("step", "flagged"), [(1.15, False), (0.85, False), (1.3, True), (0.75, True)]
)
def test_a_machine_that_changes_its_speed_is_flagged_either_way(clock, step, flagged):
    """A step of the processor's clock in the middle of the rounds; the ratio does not feel it."""
    factors = [1.0] * 16 + [step] * 15  # one turn of warm-up, 30 rounds
    calls = in_rounds(clock, {"model": 0.06, "calibration": 0.03}, factors)
    result = alternate(calls, **ONE_TURN, min_samples=30)
    assert flags(result) == (["unsteady"] if flagged else [])
    assert sampling.log_ratios(*result.seconds.values()) == pytest.approx([np.log(2)] * 30)


@pytest.mark.parametrize(
    ("answer", "shared"), [("NO", False), ("OK", True), ("USER", True), ("", None)]
)
def test_a_node_that_others_may_use_is_flagged(tmp_path, monkeypatch, answer, shared):
    """By what Slurm says of the job, here a program that says it."""
    (tmp_path / "squeue").write_text(f'#!/bin/sh\ntest "$2" = --jobs=17 && echo {answer}\n')
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert machine.node_shared() is None
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert machine.node_shared() is shared
    row = {"node_shared": shared, "busy_cores": 0.0}
    assert measure.flags_of(row) == (["shared node"] if shared else [])


# On the real clocks: ratios, as the machine may be busy.


def busy_wait(seconds):
    """A call that takes so many seconds of CPU time."""

    def call():
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    return call


QUICK = {"warmup_s": 0.01, "sample_s": 0.0005, "target_half_width": 0.002, "max_seconds": 0.3}


def best_of(attempts, off, within):
    """Fail unless `off()` gives less than `within` in one of a few attempts."""
    found = []
    for _ in range(attempts):
        found.append(abs(off()))
        if found[-1] < within:
            return
    pytest.fail(f"off by {found}")


def test_the_ratio_of_busy_waits_is_measured_to_a_per_cent():
    def off():
        calls = {"twice": busy_wait(2e-4), "once": busy_wait(1e-4)}
        seconds = alternate(calls, clock=time.process_time, **QUICK).seconds
        return np.median(sampling.log_ratios(seconds["twice"], seconds["once"])) - np.log(2)

    best_of(4, off, 0.01)


def test_a_busy_neighbour_on_the_same_core_changes_no_ratio():
    """It takes half of the core in turns of milliseconds; the samples do not contain them."""
    cores = os.sched_getaffinity(0)
    core = {max(cores)}
    spin = f"import os; os.sched_setaffinity(0, {core})\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", spin])
    try:
        os.sched_setaffinity(0, core)
        time.sleep(0.2)
        calls = {"twice": busy_wait(0.004), "once": busy_wait(0.002)}
        result = alternate(calls, clock=time.process_time, max_seconds=0.5, target_half_width=-1)
    finally:
        os.sched_setaffinity(0, cores)
        neighbour.kill()
        neighbour.wait()
    assert measure.flags_of({"waited": result.waited, "busy_cores": 0.0}) == ["busy core"]
    ratio = np.median(sampling.log_ratios(*result.seconds.values()))
    assert ratio == pytest.approx(np.log(2), abs=0.02)


HOG = """
import os, sys
import numpy as np
os.sched_setaffinity(0, [int(sys.argv[1])])
a, b = np.ones(1 << 25), np.ones(1 << 25)
print("copying", flush=True)
while True:
    np.copyto(a, b)
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs a second core")
def test_a_memory_hog_on_another_core_is_a_busy_machine(monkeypatch):
    """It copies 256 MB to and fro, which no cache holds, while the cell keeps to a core of its own."""
    cores = os.sched_getaffinity(0)
    first, *_, last = sorted(cores)
    hog = subprocess.Popen([sys.executable, "-c", HOG, str(last)], stdout=subprocess.PIPE)
    try:
        hog.stdout.readline()
        os.sched_setaffinity(0, {first})
        row = in_this_process(monkeypatch, max_seconds=0.5, target_half_width=1e-6)
    finally:
        os.sched_setaffinity(0, cores)
        hog.kill()
        hog.communicate()
    assert "busy machine" in row["flags"]
    assert row["status"] == "ok" and row["busy_cores"] > measure.BUSY_CORES


def test_the_calibration_kernel_does_its_work():
    """A product and an elementwise pass, once: beside the same written out here."""
    matrix, vector = torch.randn(256, 256), torch.randn(1 << 17)

    def work():
        matrix @ matrix
        torch.tanh(vector)

    def off():
        calls = {"kernel": machine.calibration_kernel("cpu"), "work": work}
        result = alternate(calls, clock=time.process_time, max_seconds=0.3, target_half_width=-1)
        return np.median(sampling.log_ratios(*result.seconds.values()))

    best_of(3, off, 0.2)


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


# Whole cells, in processes of their own: their limits on memory and their malloc stay in force.

CODE = """
import json, sys
from workflow.seqbench.measuring.timing import measure_cell
jobs = json.loads(sys.argv[1])
print(json.dumps({name: measure_cell("timing", *job) for name, *job in jobs}))
"""
LSTM = {"architecture": "lstm"}
HUNGRY = {"architecture": "tests.known_truth:Hungry"}  # 400 bytes for each pair of positions


def settings_of(**own):
    """The settings of small and short cells."""
    base = check(shipped()).settings("timing", "lstm", 100)
    quick = {"d_model": 16, "warmup_s": 0.01, "max_seconds": 0.1}
    return base | quick | {"min_samples": 5} | own


def measured(jobs):
    """Rows by name of cells measured in one process, which was told to use two threads.

    A job is (name, model, tokens, reference or None, settings).
    """
    jobs = [
        (
            name,
            {"model": "m", "seq_len": n, "seed": int(name == "another seed")},
            model,
            reference and {"name": "r", "entry": reference},
            settings_of(**own),
        )
        for name, model, n, reference, own in jobs
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


@pytest.fixture(scope="module")
def rows():
    """Cells of several kinds, with malloc raised."""
    limit = {"ram_limit_mb": 400}
    slow = {"architecture": "tests.known_truth:Slow"}
    return measured(
        [
            ("plain", LSTM, 20, LSTM, {}),
            ("another seed", LSTM, 20, LSTM, {}),
            ("alone", LSTM, 1, None, {}),
            ("cold", LSTM, 20, LSTM, {"mode": "train", "calls": "cold"}),
            ("slow", slow, 20, LSTM, {"time_limit_s": 0.25}),
            ("slow reference", LSTM, 20, slow | {"seconds": 2}, {"time_limit_s": 6}),
            ("fits", HUNGRY, 32, LSTM, limit),
            ("large", HUNGRY, 400, LSTM, limit),
            ("hungry", HUNGRY, 2000, LSTM, limit),
            ("hungry reference", LSTM, 2000, HUNGRY, limit),
            # Four times the limit: what cells before it left free in the heap counts as well.
            ("hungry half", HUNGRY | {"only_at": 2000}, 4000, LSTM, limit),
            ("after", LSTM, 20, LSTM, {}),
        ]
    )


@pytest.fixture(scope="module")
def system():
    """A cell with 64 MB of scratch memory, allocated as the system does it."""
    return measured([("large", HUNGRY, 400, LSTM, {"malloc": "system"})])["large"]


def test_a_cell_has_every_column(rows):
    for row in rows.values():
        assert set(row) <= set(schema("timing", "timing").names)
        assert all(
            row.get(f.name) is not None
            for f in schema("timing", "timing")
            if not f.nullable and f.name != "code_digest"  # its script's to say
        )
    lacking = {name for name in schema("timing", "timing").names if rows["plain"].get(name) is None}
    assert lacking <= {
        "error",
        "unpaired",
        "governor",
        "git_commit",
        "git_dirty",
        "code_digest",
    } | {"cluster_job", "node_shared"}


PREFIXES = ("", "reference_", "half_")


def test_times_are_medians_of_samples_that_are_aligned(rows):
    row = rows["plain"]
    assert row["status"] == "ok"
    for prefix in PREFIXES:
        assert row[f"{prefix}time_s"] == np.median(row[f"{prefix}samples_s"])
        assert len(row[f"{prefix}samples_s"]) == len(row["calibrations_s"])
    assert row["calibration_s"] == np.median(row["calibrations_s"])
    assert len(row["samples_s"]) >= 5
    assert row["half_width"] == sampling.half_width(
        sampling.log_ratios(row["samples_s"], row["reference_samples_s"])
    )


def test_a_cell_says_what_it_measured(rows):
    row = rows["plain"]
    assert row["parameters"] == 4 * (2 * 16**2 + 2 * 16)
    assert row["flops"] == 20 * 4 * 2 * (16 * 16 + 16 * 16)
    assert (row["tokens"], row["mode"], row["clock"]) == (20, "eval", "process_time")
    assert (row["reference"], row["half_seq_len"]) == ("r", 10)
    assert row["cold_s"] != row["time_s"]


def test_a_model_beside_itself_takes_as_long(rows):
    """An A/A cell: two instances of the LSTM, to within what a tenth of a second tells on a busy machine."""
    ratios = [
        np.median(sampling.log_ratios(row["samples_s"], row["reference_samples_s"]))
        for row in (rows["plain"], rows["another seed"], rows["after"])
    ]
    assert np.median(ratios) == pytest.approx(0, abs=0.25)


def test_the_reference_is_another_model(rows):
    """Beside one that fills 64 MB an LSTM of this width takes no time."""
    assert rows["large"]["reference_time_s"] < rows["large"]["time_s"] / 2


def test_half_the_length_is_half_the_length(rows):
    """Of a model whose work grows with the square of it: a quarter of the time, or less in a cache."""
    row = rows["large"]
    doubling = np.median(sampling.log_ratios(row["samples_s"], row["half_samples_s"])) / np.log(2)
    assert row["half_seq_len"] == 200
    assert 1.5 < doubling < 4


def test_a_cell_without_partners_has_its_own_times(rows):
    row = rows["alone"]
    assert row["time_s"] > 0
    assert all(
        row.get(f"{p}{key}") is None for p in PREFIXES[1:] for key in ("time_s", "samples_s")
    )
    assert row.get("reference") is None
    assert row.get("half_seq_len") is None


def test_threads_are_what_the_config_says(rows):
    """Whatever the environment asks for, as Snakemake sets it to the job's threads."""
    assert {(row["threads"], row["interop_threads"]) for row in rows.values()} == {(1, 1)}


def test_the_machine_is_recorded(rows):
    row = rows["plain"]
    assert row["torch"] == torch.__version__
    assert row["cpu_model"]
    assert row["node"]
    assert row["cpu_cores"] == len(os.sched_getaffinity(0))
    assert row["load_start"] >= 0
    assert row["busy_cores"] >= 0
    assert row["peak_ram_bytes"] > row["call_ram_bytes"] >= 0
    same = ("plain", "another seed", "after")
    assert len({rows[name]["config_digest"] for name in same}) == 1
    assert rows["cold"]["config_digest"] != row["config_digest"]
    assert rows["slow reference"]["config_digest"] != row["config_digest"]


def test_the_original_protocol_is_one_cold_call(rows):
    row = rows["cold"]
    assert row["status"] == "ok"
    assert row["time_s"] == row["cold_s"]
    assert row["samples_s"] == []
    assert row.get("reference_time_s") is None
    assert row["calibration_s"] > 0
    assert (row["mode"], row["calls"]) == ("train", "cold")


TRANSFORMER = {"architecture": "transformer"}
SECONDS_PER_TOKEN = {"lstm": 1e-4, "transformer": 3e-4}


@pytest.fixture
def first_calls(clock, monkeypatch):
    """Columns of a cell by the original's protocol, on a clock that is set, and the calls it made.

    A call takes SECONDS_PER_TOKEN, and the first of a model in the process a second more.
    """
    made, begun = [], set()

    def prepare(entry, settings, seq_len):
        name, module = entry["architecture"], torch.nn.Linear(1, 1).train()
        instance = len(made), name, seq_len
        made.append([])

        def call():
            made[instance[0]].append((name, seq_len))
            clock.taking(SECONDS_PER_TOKEN[name] * seq_len + (name not in begun))()
            begun.add(name)
            return torch.zeros(1)

        return workloads.Workload(module, call, seq_len, 0)

    monkeypatch.setattr(measure, "prepare", prepare)
    monkeypatch.setattr(machine, "peak_ram", lambda call, device: (call(), 0))
    monkeypatch.setattr(measure, "in_turns", lambda *arguments: arguments)
    monkeypatch.setattr(measure, "sample_columns", lambda samples: {"calibration_s": 1.0})

    def columns(seq_len, model, reference=LSTM, **own):
        settings = settings_of(mode="train", calls="cold", **own)
        reference = reference and {"name": "lstm", "entry": reference}
        return measure.timed_columns(seq_len, model, reference, settings, None), made

    return columns


def test_the_notebooks_protocol_calls_all_lengths_in_order(first_calls):
    """A call of each model at each length, up to the cell's own, each of a new instance."""
    columns, made = first_calls(1000, TRANSFORMER, called_before=[500, 100, 1000, 2000])
    *before, own = made
    pairs = [(name, n) for n in (100, 500, 1000) for name in ("lstm", "transformer")]
    assert before == [[pair] for pair in pairs[:-1]]
    assert own == [("transformer", 1000)] * 2  # timed, and once more for its memory
    assert "status" not in columns and "error" not in columns
    # What only the first call of a process pays for is long over at 1,000 tokens.
    assert columns["time_s"] == columns["cold_s"] == pytest.approx(0.3)
    assert columns["reference_time_s"] == pytest.approx(0.1)
    assert columns["samples_s"] == [] and columns["stop_reason"] == "cold call only"


def test_at_the_first_length_the_process_is_cold_as_in_the_notebook(first_calls):
    columns, made = first_calls(100, TRANSFORMER, called_before=[100, 500])
    assert made == [[("lstm", 100)], [("transformer", 100)] * 2]
    assert columns["time_s"] == pytest.approx(1.03)
    assert columns["reference_time_s"] == pytest.approx(1.01)


@pytest.mark.parametrize("reference", [LSTM, None], ids=["the reference itself", "no reference"])
def test_a_cell_of_the_reference_repeats_its_part_of_the_protocol(first_calls, reference):
    columns, made = first_calls(500, LSTM, reference, called_before=[100, 500])
    assert made == [[("lstm", 100)], [("lstm", 500)] * 2]
    assert columns["time_s"] == pytest.approx(0.05)
    assert columns.get("reference_time_s") is None


def test_steady_calls_have_none_before_them(clock, monkeypatch):
    def prepare(*arguments):
        raise AssertionError("nothing is to be prepared")

    monkeypatch.setattr(measure, "prepare", prepare)
    settings = settings_of(calls="steady", called_before=[100, 500])
    reference = {"name": "lstm", "entry": LSTM}
    assert measure.calls_before(TRANSFORMER, reference, settings, 500) == {}


def test_a_call_before_that_does_not_fit_is_a_row(monkeypatch):
    """Memory or time that a shorter length or the reference does not find ends the cell."""

    def full(entry, settings, seq_len):
        raise MemoryError(f"{entry['architecture']} at {seq_len}")

    monkeypatch.setattr(measure, "prepare", full)
    row = in_this_process(monkeypatch, TRANSFORMER, calls="cold", called_before=[10, 20])
    assert (row["status"], row["error"]) == ("out of memory", "lstm at 10")
    assert "time_s" not in row and "reference_time_s" not in row


def test_a_cell_that_takes_too_long_is_a_row(rows):
    row = rows["slow"]
    assert row["status"] == "over budget"
    assert "not done after" in row["error"]
    assert row.get("time_s") is None


def test_a_cell_that_does_not_fit_into_memory_is_a_row_and_the_next_one_runs(rows):
    assert rows["fits"]["status"] == "ok"
    row = rows["hungry"]
    assert row["status"] == "out of memory"
    assert row["error"]
    assert row.get("time_s") is None
    assert rows["after"]["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "why", "there", "absent"),
    [
        ("slow reference", "reference: over budget", "half_", "reference_"),
        ("hungry reference", "reference: out of memory", "half_", "reference_"),
        ("hungry half", "half: out of memory", "reference_", "half_"),
    ],
)
def test_times_survive_a_partner_that_does_not_fit(rows, name, why, there, absent):
    row = rows[name]
    assert row["status"] == "ok"
    assert row["unpaired"] == why
    assert len(row["samples_s"]) == len(row[f"{there}samples_s"]) >= 5
    assert row["time_s"] > 0
    assert row[f"{there}time_s"] > 0
    assert row.get(f"{absent}time_s") is None


GLIBC = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has thresholds")


@GLIBC
def test_a_large_buffer_is_mapped_at_each_call_unless_malloc_is_raised(rows, system):
    """64 MB are 15,625 pages of 4 KB."""
    assert rows["large"]["page_faults"] < 100
    assert system["page_faults"] > 15_000
    assert "no mmap, no trim" in rows["large"]["malloc"]
    assert "system" in system["malloc"]


@GLIBC
def test_memory_of_a_call_is_what_it_needs_under_either_malloc(rows, system):
    """The callable fills 0.4 MB, or 64; a page more or less, and torch's own."""
    assert rows["fits"]["call_ram_bytes"] < 8e6
    assert rows["large"]["call_ram_bytes"] == pytest.approx(64e6, rel=0.1)
    assert system["call_ram_bytes"] == pytest.approx(64e6, rel=0.1)


def test_another_c_library_is_left_alone_and_recorded(monkeypatch):
    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    assert machine.set_malloc("raised") == "system: not glibc"


@GLIBC
def test_a_refusal_of_the_c_library_is_recorded(monkeypatch):
    class Refusing:
        def mallopt(self, parameter, value):
            return 0

    monkeypatch.setattr(machine.ctypes, "CDLL", lambda name: Refusing())
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    assert machine.set_malloc("raised").endswith(": system MALLOC_ARENA_MAX=1")


def test_a_process_keeps_to_the_least_busy_cores(monkeypatch, rows):
    kept = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: kept.append(set(cores)))
    monkeypatch.setattr(psutil, "cpu_percent", lambda *a, **k: [50.0, 7.0, 0.0, 20.0])
    assert machine.pin(1) == [1]
    assert machine.pin(2) == [1, 3]
    assert kept == [{1}, {1, 3}]
    assert len(rows["plain"]["pinned_to"]) == 1


def test_pinning_that_the_system_refuses_is_no_error(monkeypatch):
    def refuses(pid, cores):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuses)
    assert machine.pin(1) is None
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert machine.pin(1) is None


def test_the_clock_of_one_thread_on_the_cpu_is_its_own_time():
    assert machine.clock("cpu", 1) is time.process_time
    assert machine.clock("cpu", 2) is machine.clock("cuda", 1) is time.perf_counter


def in_this_process(monkeypatch, model=LSTM, seed=0, **own):
    """The row of a cell of 20 tokens measured here, without what could not be undone."""
    for name in ("set_malloc", "pin"):
        monkeypatch.setattr(machine, name, lambda *_: "untouched")
    cell = {"model": "lstm", "seq_len": 20, "seed": seed}
    reference = {"name": "lstm", "entry": LSTM}
    return measure.measure_cell("timing", cell, model, reference, settings_of(**own))


def test_times_survive_partners_that_fit_only_alone(monkeypatch):
    def full(calls, *rest, **more):
        if "reference" in calls:
            raise MemoryError
        return alternate_(calls, *rest, **more)

    alternate_ = sampling.alternate
    monkeypatch.setattr(sampling, "alternate", full)
    row = in_this_process(monkeypatch)
    assert (row["status"], row["unpaired"]) == ("ok", "together: out of memory")
    assert row["time_s"] > 0
    assert "reference_time_s" not in row


def test_other_errors_are_not_hidden(monkeypatch):
    """A bug in a model must not look like a cell that was too large."""

    def broken(*arguments):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(forward, "prepare", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        in_this_process(monkeypatch)


def test_values_that_are_not_finite_are_an_error(monkeypatch):
    diverging = {"architecture": "tests.known_truth:Diverging", "good": 0}
    with pytest.raises(UserError, match=r"^tests.known_truth:Diverging breaks .* not finite$"):
        in_this_process(monkeypatch, diverging, mode="train")


def test_every_process_has_weights_inputs_and_an_order_of_its_own(monkeypatch):
    """From its seed: else six processes would be one, measured six times."""
    drawn = []

    def draw(seq_len, model, reference, settings, rng):
        drawn.append((torch.rand(4).tolist(), rng.permutation(50).tolist()))
        return {}

    monkeypatch.setattr(measure, "timed_columns", draw)
    for seed, base_seed in ((0, 0), (0, 0), (1, 0), (2, 0), (0, 1)):
        in_this_process(monkeypatch, seed=seed, base_seed=base_seed)
    assert drawn[0] == drawn[1]
    for numbers in zip(*drawn[1:], strict=True):
        assert len({tuple(each) for each in numbers}) == 4
