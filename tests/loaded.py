"""A Snakemake that is loaded once: each call forks it, which saves the two seconds that loading takes.

    status = Loaded().call(arguments, folder, output)

The process that forks has loaded Snakemake and nothing else; a child is as good as a new process. Most
tests call Snakemake this way (`conftest.Project`), which shortens the suite by some minutes.
"""

import atexit
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

BIN = Path(sys.executable).parent


class Loaded:
    """The process that forks; it ends when the process that has started it does."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(self, arguments, folder, output):
        """Run `snakemake` with these arguments in a folder; all that it prints goes to a file."""
        request = [*map(str, arguments)], str(folder), str(output), dict(os.environ)
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


def serve():
    """Answer each line of standard input, a request, with the exit status of Snakemake."""
    from snakemake.cli import main

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
        else:
            run(main, *json.loads(line))


def run(main, arguments, folder, output, environment):
    """Be a new process that was called so."""
    status = 1
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(BIN / "snakemake"), *arguments]
    try:
        main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # where the project's own Snakefile prints last
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    sys.path[0] = str(BIN)
    serve()
