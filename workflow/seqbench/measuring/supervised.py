"""A cell's process seen from outside: its limits hold, and become rows, where the cell hangs or dies."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from workflow.seqbench import log
from workflow.seqbench.log import UserError
from workflow.seqbench.running import turn

# Cells end themselves when their time is over, with more to say; these are for those that do not.
FACTOR, MORE_S = 1.5, 60


def run(main, module, job):
    """Call `main` of `module` for a job in a process of its own; end this one with its outcome.

    job: the `snakemake` object of a script, of a cell.
    """
    arguments = log.arguments(main, job)
    seconds = limit_s(arguments["settings"])
    Path(job.log[0]).write_text("")
    sys.excepthook = log.report
    try:
        with turn(alone="workload" in arguments["settings"]) as queued_s:
            os.environ["SEQBENCH_QUEUED_S"] = str(queued_s)
            returned = watch(f"{module}:main", arguments, job.log[0], seconds)
    except Exception as error:  # of the watching: the cell's process has written its own
        with open(job.log[0], "a") as file:
            print(f"Error: {error}", file=file)
        raise
    sys.exit(0 if returned else 1)


def limit_s(settings):
    """Seconds after which a cell with these settings is ended from outside."""
    return FACTOR * settings.get("time_limit_s", settings.get("max_seconds")) + MORE_S


def watch(function, arguments, path, seconds):
    """Call the cell's `function`, and once more to write the row of one that was ended; if it returned.

    path: the file for what it prints. Raises UserError where it was killed, but not for its memory.
    """
    if not sys.platform.startswith("linux"):
        return in_this_process(function, arguments, path)
    from workflow.seqbench.measuring import fork_server

    kills = memory_kills()
    try:
        return fork_server.call(function, arguments, path, seconds)
    except TimeoutError:
        ended = {"status": "over budget", "error": f"ended from outside after {seconds:.0f} s"}
    except fork_server.Killed as error:
        if memory_kills() == kills:
            raise UserError(f"{error}, not for its memory; run the same command again") from error
        ended = {"status": "out of memory", "error": "killed by the system for its memory"}
    return fork_server.call(function, arguments | {"ended": ended}, path, MORE_S)


def ask_for_more(row, attempts_left):
    """UserError where a cell did not fit into what its job may hold, and the next attempt gets more."""
    signs = row["status"], row.get("unpaired") or ""
    if attempts_left and any("out of memory" in sign for sign in signs):
        raise UserError(
            "the cell needs more memory than its job has; the next attempt asks for more"
        )


def in_this_process(function, arguments, path):
    """Call `function` here; a limit from outside there is none."""
    import importlib

    log.redirect(path)
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)(**arguments)
    return True


def memory_kills():
    """How many processes Linux has killed so far because memory had run out."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
