"""What two threads cost where the two cores are near each other, and where they are not.

The host of a virtual machine puts its cores where it likes, and moves them. Two that share a cache
hand a byte over in a fraction of the time of two that do not, and a model of many small parallel
steps waits for such a handover in each. Bursts of half a second: a byte's round trip from core to
core, then both models in turns on two threads. Where all bursts are of one kind the host moved
nothing: try again later.
"""

import mmap
import os
import signal
import time
from statistics import median

import numpy as np
import pandas as pd
import torch

from tests.bench.pairs import MODEL, PLAN, REFERENCE
from workflow.seqbench.measuring import machine
from workflow.seqbench.showing import tables
from workflow.seqbench.workloads import forward

SEQ_LEN, BURSTS, BURST_S, TRIPS = 1000, 120, 0.5, 1000
APART = 1.4  # times the shortest round trips: those of cores that share no cache


def round_trip(first, second):
    """Seconds in which a byte goes from one core to another and back, between two Python processes."""
    byte, allowed = mmap.mmap(-1, 1), os.sched_getaffinity(0)
    if (child := os.fork()) == 0:
        signal.alarm(10)  # should the parent be killed
        os.sched_setaffinity(0, {second})
        for _ in range(TRIPS):
            while not byte[0]:
                pass
            byte[0] = 0
        os._exit(0)
    os.sched_setaffinity(0, {first})
    trips = []
    for _ in range(TRIPS):
        start = time.perf_counter()
        byte[0] = 1
        while byte[0]:
            pass
        trips.append(time.perf_counter() - start)
    os.waitpid(child, 0)
    os.sched_setaffinity(0, allowed)
    return median(trips)


def burst(calls):
    """A row: the round trip, and the median time of each call, in turns."""
    row, times = {"trip": round_trip(*sorted(os.sched_getaffinity(0))[:2])}, {}
    end = time.perf_counter() + BURST_S
    while time.perf_counter() < end:
        for name, call in calls.items():
            call()  # the other has pushed its data out of the caches
            start = time.perf_counter()
            call()
            times.setdefault(name, []).append(time.perf_counter() - start)
    return row | {name: median(seconds) for name, seconds in times.items()}


def main():
    if machine.cores() < 2:
        print("It takes two cores.")
        return
    experiment, threads = "timing_threads2", torch.get_num_threads()
    torch.set_num_threads(2)
    settings = PLAN.settings(experiment, MODEL, SEQ_LEN)
    entries = {name: PLAN.model(experiment, name) for name in (REFERENCE, MODEL)}
    calls = {n: forward.prepare(e, settings, SEQ_LEN, "cpu").call for n, e in entries.items()}
    bursts = pd.DataFrame([burst(calls) for _ in range(BURSTS)])
    torch.set_num_threads(threads)
    bursts["cores"] = np.where(
        bursts["trip"] > APART * bursts["trip"].quantile(0.1), "apart", "near"
    )
    rows = []
    for cores, part in bursts.groupby("cores"):
        row = {"cores": cores, "bursts": len(part), "round trip, ns": 1e9 * part["trip"].median()}
        row |= {f"{name}, ms": 1e3 * part[name].median() for name in calls}
        ratios = np.log(part[MODEL] / part[REFERENCE])
        row |= {"ratio": np.exp(ratios.mean()), "standard deviation of ln ratio": ratios.std()}
        rows.append(row)
    print(tables.markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
