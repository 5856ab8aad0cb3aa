"""Runs and other runs: who owns this folder, what a killed run left, whose turn it is on the machine."""

import base64
import os
import platform
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path

from workflow.seqbench.log import UserError
from workflow.seqbench.results import sealing

STATE = Path(".snakemake")
HELD = []  # locks that end with this process, however it ends


def own_folder():
    """Have this process own Snakemake's lock of the working directory for as long as it lives.

    Raises UserError where another run does, in whatever folder its results are.
    """
    owner = open(STATE / "owner", "a")  # noqa: SIM115, it is closed when the process ends
    try:
        flock(owner, LOCK_EX | LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            "a run is going on from this folder; wait for it, or start the other one from a clone of its own"
        ) from error
    HELD.append(owner)
    owner.truncate(0)
    print(platform.node(), file=owner, flush=True)


def take_over():
    """Clear what a killed run left: its lock, and marks that shards are unfinished which are whole.

    A lock is cleared where the process that made it was on this machine and is gone. With a mark goes
    Snakemake's record of an older shard in that place: what this one was asked to be it says itself.
    """
    locks, owner = [*STATE.glob("locks/*.lock")], STATE / "owner"
    if locks:
        try:
            with open(owner) as file:
                flock(file, LOCK_SH | LOCK_NB)
                there = file.read().strip() == platform.node()
        except OSError:  # no owner is known, or it lives
            return
        if not there or any(p.stat().st_mtime > owner.stat().st_mtime for p in locks):
            return
        for path in locks:
            path.unlink(missing_ok=True)
        print("The run that locked this folder was killed; its lock is cleared.", file=sys.stderr)
    for mark in (path for path in STATE.glob("incomplete/**/*") if path.is_file()):
        name = "".join(part.lstrip("@") for part in mark.parts[2:])  # as Snakemake splits long ones
        shard = Path(os.fsdecode(base64.urlsafe_b64decode(name)))
        with suppress(OSError):
            if shard.suffix == ".parquet" and sealing.intact(shard.read_bytes()):
                STATE.joinpath("metadata", *mark.parts[2:]).unlink(missing_ok=True)
                mark.unlink()


def mend_times(folder):
    """Set back the times of a run's files where some lie ahead of the clock, keeping their order.

    It was set back, and Snakemake takes no input that is newer than what is made of it. The clock is
    that of the files: one of this folder that is written now.
    """
    times = {}
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):  # a temporary file of a run that is going on
            times |= {path: path.stat().st_mtime} if path.is_file() else {}
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryFile(dir=STATE) as fresh:
        ahead = max(times.values(), default=0) - os.fstat(fresh.fileno()).st_mtime
    if ahead > 2:
        for path, moment in times.items():
            os.utime(path, (moment - ahead, moment - ahead))
        print(f"The clock was set back; files in {folder} are dated back as well.", file=sys.stderr)


@contextmanager
def turn(alone):
    """Hold the machine for a cell: one that is to be alone, or together with others of its kind.

    A run in another folder knows nothing of this one. Yields the seconds that it took to come.
    """
    from workflow.seqbench.measuring.fork_server import home  # for Unix only

    start = time.monotonic()
    with open(home() / "turn", "a") as file:
        kind = LOCK_EX if alone else LOCK_SH
        try:
            flock(file, kind | LOCK_NB)
        except BlockingIOError:
            print("Waiting for the cells of another run on this machine.", file=sys.stderr)
            flock(file, kind)
        yield time.monotonic() - start
