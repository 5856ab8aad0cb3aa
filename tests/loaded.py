"""A Snakemake that is loaded once, and the libraries of its scripts: each call, and each script, forks them.

    status = Loaded().call(arguments, folder, output)

Loading takes two seconds of each call of Snakemake, and three of each script (pandas, scipy, matplotlib).
The processes that fork have loaded these and nothing of the project; a child is as good as a new process.
Most tests call Snakemake this way (`conftest.Project`), which shortens the suite by some minutes.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

BIN = Path(sys.executable).parent
LIBRARIES = ("snakemake.script", "matplotlib.pyplot", "pandas", "pyarrow.parquet", "jsonschema")
LIBRARIES += ("jinja2", "scipy.optimize", "scipy.stats")
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class Loaded:
    """The two processes that fork; they end when the process that has started them does."""

    def __init__(self):
        self.address = str(Path(tempfile.mkdtemp(dir="/tmp"), "scripts"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen(64)
            self.scripts = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=os.environ | WITHOUT_THREADS,
            )
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(self, arguments, folder, output):
        """Run `snakemake` with these arguments in a folder; all that it prints goes to a file."""
        environment = dict(os.environ)
        environment.pop("PYTEST_CURRENT_TEST", None)  # cells of one environment share a server
        request = [*map(str, arguments)], str(folder), str(output), environment, self.address
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
            call(main, *json.loads(line))


def call(main, arguments, folder, output, environment, address):
    """Be a new process that was called so."""
    from snakemake.script import PythonScript

    def execute_script(self, fname, edit=False):
        command = "{python} -IS {client} {address} {fname:q}"
        named = {"python": sys.executable, "client": __file__, "address": address, "fname": fname}
        self._execute_cmd(command, **named, is_python_script=True)

    PythonScript.execute_script = execute_script
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    be_new([os.open(os.devnull, os.O_RDONLY), file, file], folder, environment)
    sys.argv = [str(BIN / "snakemake"), *arguments]
    end_with(main)


def be_new(streams, folder, environment):
    """Have the standard streams, the folder and the environment of another process."""
    for number, file in enumerate(streams):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)


def end_with(function, *arguments, **options):
    """Call a function and end this process as Python would."""
    status = 1
    try:
        function(*arguments, **options)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()  # where the project's own Snakefile prints last
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else 1)


def serve_scripts(listener):
    """Fork for each client, until the process that has started this one is gone."""
    for library in LIBRARIES:
        importlib.import_module(library)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            run_for(connection)
        connection.close()
    os._exit(0)


def run_for(connection):
    """Run the client's script in a child, in the client's place, and send its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        _, streams, *_ = socket.recv_fds(connection, 1, 3)
        script, folder, environment = json.loads(connection.makefile().readline())
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            connection.sendall(b"%d\n" % status)
            os._exit(0)
        be_new(streams, folder, environment)
        sys.argv, sys.path[0] = [script], str(Path(script).parent)
        end_with(runpy.run_path, script, run_name="__main__")
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ask_for(address, script):
    """Have a script run from this process's folder, with its streams and its environment."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = json.dumps([script, os.getcwd(), dict(os.environ)])
        socket.send_fds(connection, [b"!"], [0, 1, 2])
        connection.sendall(f"{request}\n".encode())
        status = int(connection.makefile().readline() or 1)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            sys.path[0] = str(BIN)
            serve()
        case [descriptor]:
            sys.path[0] = str(BIN)
            serve_scripts(socket.socket(fileno=int(descriptor)))
        case [address, script]:
            ask_for(address, script)
