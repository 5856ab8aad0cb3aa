"""What alternating several calls in one process does to their times and ratios.

1. Bias: the time of a call that takes turns with others, beside the same call alone and beside
   torch.utils.benchmark, in one process and block by block. The aim: within 3 %.
2. Precision: the ratio of two models over six processes, from pairs within the process and from
   processes of their own; the slope from half the length; an A/A pair; how much of a process
   measures. The aim: half-widths of at most 5 %, and 0.05 for slopes.

On a machine with nothing else to do; what others take of the core is printed.
"""

import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from scipy.stats import t as student
from torch.utils.benchmark import Timer

from tests.conftest import ROOT, shipped
from workflow.seqbench.config import check
from workflow.seqbench.measuring import machine, sampling
from workflow.seqbench.measuring.timing import partners
from workflow.seqbench.results.statistics import median_interval
from workflow.seqbench.showing import tables
from workflow.seqbench.workloads import forward

MODEL, REFERENCE, LENGTHS, PROCESSES = "transformer_matched", "lstm", (100, 1000), 6
CELL = """
import json, sys
from workflow.seqbench.measuring.timing import measure_cell
print(json.dumps(measure_cell("timing", *json.loads(sys.argv[1]))))
"""


PLAN = check(shipped(), local=False)


def settings_of(**own):
    """The settings of the cells of `timing`."""
    return PLAN.settings("timing", MODEL, 100) | own


def bias(model, reference, seq_len, repetitions=15):
    """Rows of the table: the time of `model` in turns, over alone and over torch's Timer.

    One block of each kind in every repetition, in random order, so that the machine's drift meets
    all of them; intervals are over repetitions.
    """
    settings = settings_of()
    clock = machine.clock("cpu", settings["threads"])
    own, other = (PLAN.model("timing", name) for name in (model, reference))
    call = forward.prepare(own, settings, seq_len, "cpu").call
    calls = {"model": call} | {
        name: forward.prepare(entry, settings, length, "cpu").call
        for name, entry, length in partners(own, {"entry": other}, seq_len)
    }
    calls["calibration"] = machine.calibration_kernel("cpu")
    rng = np.random.default_rng(0)
    few = settings | {"warmup_calls": 1, "warmup_s": 0.05, "min_samples": 6, "max_samples": 6}
    timer = Timer("call()", globals={"call": call}, timer=clock)

    def median(group):
        samples = sampling.alternate(group, few, rng, clock)
        return np.median(samples.seconds["model"])

    repeats = sampling.alternate({"model": call}, few, rng, clock).repeats["model"]
    kinds = {
        "in turns": lambda: median(calls),
        "alone": lambda: median({"model": call}),
        "torch.utils.benchmark": lambda: np.median(
            [timer.timeit(repeats).median for _ in range(6)]
        ),
    }
    found = pd.DataFrame(
        [{kind: kinds[kind]() for kind in rng.permutation(list(kinds))} for _ in range(repetitions)]
    )
    row = {"model": model, "tokens": seq_len, "ms in turns": 1e3 * found["in turns"].median()}
    for kind in list(kinds)[1:]:
        ratio, low, high, _ = median_interval(found["in turns"] / found[kind])
        row[f"over {kind}"] = f"{ratio:.3f} [{low:.3f}, {high:.3f}]"
    return row


def cell(model, seq_len, seed, **own):
    """(row, wall seconds) of a timing cell in a process of its own."""
    job = [
        {"model": model, "seq_len": seq_len, "seed": seed},
        PLAN.model("timing", model),
        {"name": REFERENCE, "entry": PLAN.model("timing", REFERENCE)},
        settings_of(**own),
    ]
    start = time.perf_counter()
    command = [sys.executable, "-c", CELL, json.dumps(job)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout), time.perf_counter() - start


def precision(seq_len, processes=PROCESSES, **own):
    """A row of the table: half-widths over processes, paired and not, and where the time went."""
    cells = [
        (cell(MODEL, seq_len, seed, **own), cell(REFERENCE, seq_len, seed, **own))
        for seed in range(processes)
    ]
    rows, own_rows = ([pair[i][0] for pair in cells] for i in (0, 1))
    wall = sum(seconds for pair in cells for _, seconds in pair)
    measuring = sum(row["warmup_s"] + row["sampling_s"] for row in rows + own_rows)

    def over(rows, other, middle=np.mean):
        """Means over the rounds of ln(model / other), one a process, as in the tables; or medians."""
        return np.array([middle(sampling.log_ratios(row["samples_s"], row[other])) for row in rows])

    paired = over(rows, "reference_samples_s")
    single = [[row["time_s"] for row in group] for group in (rows, own_rows)]
    doublings = over(rows, "half_samples_s") / np.log(seq_len / rows[0]["half_seq_len"])
    return {
        "tokens": seq_len,
        "ratio": np.exp(paired.mean()),
        "± paired": half(paired),
        "± of medians": half(over(rows, "reference_samples_s", np.median)),
        "± separate": half(np.log(single[0]) - np.log(single[1])),
        "slope": doublings.mean(),
        "± slope": half(doublings, "{:.3f}"),
        "A/A": np.exp(over(own_rows, "reference_samples_s").mean()),
        "± A/A": half(over(own_rows, "reference_samples_s")),
        "measuring": f"{measuring / wall:.0%} of {wall / len(cells) / 2:.1f} s",
        "others' share of the core": f"{np.mean([row['waited'] for row in rows]):.0%}",
    }


def half(values, form="{:.1%}"):
    """Half-width of the t-interval of a mean."""
    n = len(values)
    return form.format(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def main():
    machine.set_malloc("raised")
    machine.set_up("cpu", 1)
    machine.pin(1)
    rows = [
        bias(model, REFERENCE, n) for n in (100, 500, 1000, 2000) for model in (MODEL, REFERENCE)
    ]
    print("Time of a call in turns with others, over its time alone and over torch's:\n")
    print(tables.markdown(pd.DataFrame(rows)))
    print(f"{MODEL} / {REFERENCE}, {PROCESSES} processes, half-widths at 95 %:\n")
    print(tables.markdown(pd.DataFrame([precision(n) for n in LENGTHS])))


if __name__ == "__main__":
    main()
