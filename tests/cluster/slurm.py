"""A private Slurm cluster for tests: Debian's slurm-wlm and munge, run out of one folder.

Nothing goes into /etc, no port is fixed and root is not needed, so it gets in nobody's way. Tests
use the fixture in plugin.py. By hand:

    with Cluster("/tmp/slurm") as cluster:
        print(cluster.run("sinfo"))
"""

import getpass
import os
import random
import shutil
import socket
import string
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

TEMPLATE = Path(__file__).with_name("slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
SEARCHED = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"  # not on everybody's PATH
CGROUPS = [Path("/sys/fs/cgroup", name) for name in ("freezer", "memory")]
BY_KERNEL = "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup"
BY_POLLING = "ProctrackType=proctrack/linuxproc\nJobAcctGatherParams=OverMemoryKill"
FOREIGN = ("SLURM", "SBATCH", "SRUN", "SALLOC", "SQUEUE", "SINFO", "SCANCEL", "SACCT")
UNFINISHED = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"}


class Job(NamedTuple):
    """A line of squeue."""

    id: int
    name: str
    state: str
    node: str
    comment: str


class Cluster:
    """Nodes, each a slurmd on this host, with their controller and munged.

    Each node claims `cpus` and `memory_mb`, whatever this host has. Jobs over their memory are
    killed: by the kernel where control groups can be written to, else by Slurm, two seconds later.
    """

    def __init__(self, folder, nodes=2, cpus=2, memory_mb=8000, cgroups=None):
        self.folder = Path(folder).resolve()
        self.conf = self.folder / "slurm.conf"
        self.cpus, self.memory_mb = cpus, memory_mb
        self.cgroups = cgroups_writable() if cgroups is None else cgroups
        # The port is part of a node's name, as clusters on one host share its control groups.
        self.port, *self.ports = free_ports(1 + nodes)
        self.nodes = [f"n{port}" for port in self.ports]
        self.daemons = {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def env(self):
        """Environment of a command that is to find this cluster, and no other one."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        return kept | {"SLURM_CONF": str(self.conf), "PATH": f"{self.folder}/bin:{SEARCHED}"}

    def run(self, *command):
        """What a command prints; one that fails raises with what it said."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def start(self):
        """Bring everything up and wait until each node can take a job."""
        self.write_files()
        try:
            # Ends the cluster should this process be killed and cannot do it.
            guard = (sys.executable, __file__, self.folder)
            self.daemons["guard"] = subprocess.Popen(
                guard, stdin=subprocess.PIPE, start_new_session=True
            )
            files = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "seed", "pid")]
            # --force: the folder may be closed to other users.
            self.launch(
                "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files
            )
            wait((self.folder / "munge.socket").exists, 10, "munged")
            self.launch("slurmctld", "-D")
            for node in self.nodes:
                self.launch("slurmd", "-D", "-N", node, name=node)
            self.wait_for_nodes(self.nodes)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """End everything that belongs to the cluster, its jobs too."""
        end_all(self.folder)
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()
        self.daemons.clear()

    def kill_node(self, node):
        """As if its power were cut; the controller is told, which would notice only after a while."""
        end_all(self.folder, node)
        self.daemons.pop(node).wait()
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed")

    def revive_node(self, node):
        """Switch a killed node on again."""
        self.launch("slurmd", "-D", "-N", node, name=node)
        self.wait_for_nodes([node])

    def restart_controller(self, crash=False):
        """Stop the controller and start it again; one that crashes may forget its last seconds."""
        controller = self.daemons.pop("slurmctld")
        controller.kill() if crash else controller.terminate()
        controller.wait()
        self.launch("slurmctld", "-D")
        self.wait_for_nodes([node for node in self.nodes if node in self.daemons])

    def jobs(self):
        """All jobs so far by their id, finished ones too."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%A\t%j\t%T\t%N\t%k")
        rows = [line.split("\t") for line in lines.splitlines()]
        return {int(number): Job(int(number), *rest) for number, *rest in rows}

    def submit(self, script, *options):
        """Submit a shell script; its job id."""
        output = f"--output={self.folder}/%j.out"
        return int(self.run("sbatch", "--parsable", output, *options, "--wrap", script))

    def finished(self, number, seconds=30):
        """The job once it has ended, and what it printed."""
        wait(lambda: self.jobs()[number].state not in UNFINISHED, seconds, f"job {number}")
        output = self.folder / f"{number}.out"
        return self.jobs()[number], output.read_text() if output.exists() else ""

    def write_files(self):
        """The configuration, a key, a shim, and the folders that the daemons expect."""
        if len(str(self.folder)) > 65:
            raise ValueError(f"{self.folder} is too long: sockets get paths of 107 characters")
        for name in ("state", "bin", *self.nodes, *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "munge.socket").unlink(missing_ok=True)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        host = socket.gethostname().split(".")[0]
        node = (
            f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={self.cpus} RealMemory={self.memory_mb}"
        )
        text = string.Template(TEMPLATE.read_text()).substitute(
            folder=self.folder,
            host=host,
            port=self.port,
            user=getpass.getuser(),
            limits=BY_KERNEL if self.cgroups else BY_POLLING,
            nodes="\n".join(f"NodeName=n{port} Port={port} {node}" for port in self.ports),
        )
        self.conf.write_text(text)
        limits = "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\n" if self.cgroups else ""
        (self.folder / "cgroup.conf").write_text(limits)
        # The job steps of Snakemake's plugin lose SLURM_CONF on the way to srun.
        shim = self.folder / "bin/srun"
        real = shutil.which("srun", path=SEARCHED)
        shim.write_text(f"#!/bin/sh\nSLURM_CONF='{self.conf}' exec {real} \"$@\"\n")
        shim.chmod(0o755)
        prolog = self.folder / "bin/prolog"
        prolog.write_text(f"#!/bin/sh\necho export TMPDIR={self.folder}/$SLURMD_NODENAME\n")
        prolog.chmod(0o755)

    def launch(self, *command, name=None):
        """Start a daemon in the foreground, as a child of this process."""
        with (self.folder / "daemons.log").open("a") as log:
            self.daemons[name or command[0]] = subprocess.Popen(
                command,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for_nodes(self, nodes):
        """Wait until the controller finds them fit for jobs."""
        states = {}

        def ready():
            states.clear()
            with suppress(RuntimeError):  # no controller yet
                lines = self.run("sinfo", "--noheader", "-N", "--format=%N %T").splitlines()
                states.update(line.split() for line in lines)
            return all(states.get(node) in ("idle", "mixed", "allocated") for node in nodes)

        try:
            wait(ready, 180, f"nodes {', '.join(nodes)}")
        except TimeoutError as error:
            log = self.folder / "slurmctld.log"
            last = log.read_text().splitlines()[-20:] if log.exists() else []
            seen = states or "no answer from the controller"
            raise TimeoutError("\n".join([f"{error}: {seen}", *last])) from None


def end_all(folder, node=None):
    """Kill a cluster or one of its nodes until nothing is left, and remove its control groups."""
    deadline = time.monotonic() + 10
    while (found := processes(folder, node)) and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=0.5)
    nodes = [node] if node else [spool.name for spool in folder.glob("spool/*")]
    for base in [group / f"slurm_{name}" for group in CGROUPS for name in nodes]:
        for group, *_ in os.walk(base, topdown=False):
            with suppress(OSError):
                os.rmdir(group)


def processes(folder, node=None):
    """Processes that bear the folder, and the node, in their command, environment or open files."""
    this, found = psutil.Process(), []
    for process in set(psutil.process_iter()) - {this, *this.parents()}:
        with suppress(psutil.Error):
            environment, files = process.environ(), {file.path for file in process.open_files()}
            signs = {environment.get("SLURM_CONF", ""), *process.cmdline(), *files}
            on_node = environment.get("SLURMD_NODENAME") == node or f"{folder}/{node}.log" in files
            if any(sign.startswith(f"{folder}/") for sign in signs) and (not node or on_node):
                found.append(process)
    return found


def wait(condition, seconds, what):
    """Wait until a condition holds; in vain, it is a TimeoutError that says for what."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not there after {seconds} s")
        time.sleep(0.1)


def free_ports(count):
    """Ports on which nobody listens.

    Below those that the kernel lends to outgoing connections: one of these could take the port of
    a daemon that is down for a moment, even a connection to that very port.
    """
    found = set()
    while len(found) < count:
        port = random.randrange(10_000, 32_000)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def cgroups_writable():
    """Whether Slurm may make the control groups (of version 1) that it limits memory by."""
    return all(os.access(group, os.W_OK) for group in CGROUPS)


def lacking():
    """Why there can be no cluster on this machine; empty where there can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=SEARCHED)]
    return f"no {', '.join(absent)}: apt-get install slurm-wlm munge" if absent else ""


if __name__ == "__main__":
    sys.stdin.read()  # ends when the process that started the cluster does
    end_all(Path(sys.argv[1]))
