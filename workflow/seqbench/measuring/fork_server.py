"""Fresh processes that have torch loaded: a server that has run nothing with it forks one per cell.

Importing torch takes longer than many cells take to measure. The server imports the libraries and
nothing of this project, so that each child runs the code as it is then, and shares nothing with
other children but the pages of those libraries. `call` is the client: it starts a server where there
is none, waits for the child, and ends it when its time is over; when the client dies, the child dies
too. A server that nobody calls for IDLE_S ends itself. `make bench` shows that times in a child are
those of a new process.

Linux only, as forking is not safe with the libraries of other systems.
"""

import gc
import hashlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from fcntl import F_GETFL, F_SETFL, F_SETOWN, LOCK_EX, fcntl, flock
from pathlib import Path

# What a cell imports, some of it only when it first trains (torch._dynamo) or writes (pandas).
LIBRARIES = (
    "torch",
    "torch._dynamo",
    "numpy.random",
    "psutil",
    "yaml",
    "pyarrow.parquet",
    "pandas",
)
IDLE_S = 60
# Threads do not survive a fork: no pool for numpy, no cleaner for Arrow. Torch starts its own later.
WITHOUT_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # CUDA does not either: importing is not to start it
}
STARTED, DONE, FAILED = b"s", b"d", b"f"


class Killed(Exception):
    """The child ended without a word: something outside of it killed it."""


def call(function, arguments, log, seconds):
    """Call `function` ("module:name") with `arguments` (for JSON) in a fresh child; whether it returned.

    log: file that gets all that the child prints, a traceback too. Raises TimeoutError after so many
    seconds, when the child has been ended, and Killed where something else ended it.
    """
    request = {"function": function, "arguments": arguments, "path": sys.path, "cwd": os.getcwd()}
    request["environment"] = environment()
    for _ in range(3):  # a server may end for idleness just when it is called
        with open(log, "a") as output, connect() as connection:
            message = json.dumps(request).encode()
            socket.send_fds(connection, [len(message).to_bytes(8)], [output.fileno()])
            try:
                connection.sendall(message)
                if receive(connection, 1) != STARTED:
                    continue
            except ConnectionError:
                continue
            connection.settimeout(seconds)
            answer = receive(connection, 1)
            if not answer:
                raise Killed(f"the process of {function} was killed")
            return answer == DONE
    raise RuntimeError(f"the server that forks cells does not start; see {home()}/*.log")


def environment():
    """The environment that a child gets; clients with the same one share a server."""
    return dict(os.environ)


def home():
    """A folder for sockets that only this user can enter."""
    folder = tempfile.gettempdir()
    folder = Path(folder if len(folder) < 70 else "/tmp")  # a socket's path may have 107 characters
    folder /= f"seqbench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user's alone; remove it")
    return folder


def connect():
    """A connection to the server of this Python, these libraries and this environment."""
    torch = importlib.util.find_spec("torch").origin
    shared = sorted(item for item in environment().items() if item[0] != "SEQBENCH_QUEUED_S")
    identity = [sys.executable, torch, os.stat(torch).st_mtime_ns, shared]
    identity.append(Path(__file__).read_text())
    name = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    path = home() / name
    with alone():  # one client starts the server, the others find it
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            start(path)
            connection.connect(str(path))
    return connection


@contextmanager
def alone():
    """Of all clients and servers of this user, only one is in this block."""
    with open(home() / "lock", "w") as lock:
        flock(lock, LOCK_EX)
        yield


def start(path):
    """Start a server that listens at `path`; whoever connects now waits until it is ready."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, open(f"{path}.log", "w") as log:
        listener.bind(str(path))
        listener.listen(1024)
        subprocess.Popen(
            [sys.executable, "-P", __file__, str(listener.fileno()), path],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment() | WITHOUT_THREADS,
            start_new_session=True,
        )


def receive(connection, size):
    """So many bytes, or fewer where the other side has gone."""
    message = b""
    while len(message) < size and (part := connection.recv(size - len(message))):
        message += part
    return message


def serve(listener, path):
    """Load the libraries, then fork a child for each connection until nobody calls any more."""
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # what a child's collector leaves alone stays shared
    os.waitpid(fork(prime), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that end leave no zombie
    listener.settimeout(IDLE_S)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            with alone():
                for file in (path, f"{path}.log"):
                    Path(file).unlink(missing_ok=True)
            return
        connection.settimeout(None)
        fork(answer, connection)
        connection.close()


def fork(action, *arguments):
    """Run `action` in a child, which ends with it; the child's id."""
    if child := os.fork():
        return child
    try:
        action(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def prime():
    """Run a layer of each kind, so that the first cell does not read their code from a cold disk."""
    import torch

    torch.set_num_threads(1)
    x = torch.randn(1, 8, 16)
    torch.nn.LSTM(16, 16, batch_first=True)(x)
    torch.nn.TransformerEncoderLayer(16, 2, 16, batch_first=True)(x)


def answer(connection):
    """Do what the client at the other end asks for, as if in a new process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, (log, *_), _, _ = socket.recv_fds(connection, 8, 1)
    request = json.loads(receive(connection, int.from_bytes(size)))
    # From here on the kernel kills this process when the client closes its end: SIGIO's default.
    fcntl(connection, F_SETOWN, os.getpid())
    flags = fcntl(connection, F_GETFL)
    connection.sendall(STARTED)
    fcntl(connection, F_SETFL, flags | os.O_ASYNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout.reconfigure(line_buffering=True)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = request["path"]
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] == "workflow"]:
        del sys.modules[name]
    module, _, name = request["function"].partition(":")
    try:
        getattr(importlib.import_module(module), name)(**request["arguments"])
        outcome = DONE
    except BaseException as error:
        importlib.import_module("workflow.seqbench.log").report(
            type(error), error, error.__traceback__
        )
        outcome = FAILED
    fcntl(connection, F_SETFL, flags)
    connection.sendall(outcome)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
