"""The machine under a measurement: what it is, its threads, its load, and a kernel to calibrate by."""

import ast
import ctypes
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from workflow.seqbench.log import UserError
from workflow.seqbench.sources import ROOT, substance, substance_of

try:
    import resource
except ImportError:  # not a Unix
    resource = None

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
# Where control groups say what a process may hold, by the controllers that /proc/self/cgroup names:
# folder, file of the limit, key in memory.stat of what is held. Their second version and their first.
CGROUPS = {
    "": ("/sys/fs/cgroup", "memory.max", "anon"),
    "memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"),
}
# Where Slurm, PBS, LSF and Grid Engine tell a job its number.
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


def set_up(device, threads):
    """Put torch in a known state: this many intra-op threads, one inter-op thread. Asserted.

    Raises UserError where the device is cuda and there is none, or where there are fewer cores.
    """
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    assert torch.get_num_threads() == threads
    assert torch.get_num_interop_threads() == 1
    if threads > cores():
        raise UserError(f"threads is {threads}; {platform.node()} has {cores()} cores")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device is cuda, and torch finds no CUDA device on {platform.node()}")
    torch.backends.cudnn.allow_tf32 = False  # float32, as matrix products are by default


def synchronizer(device):
    """A function that waits until the device has finished its work."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def describe(device, parameters):
    """Environment columns of a shard; `parameters` are the cell's, for the config digest."""
    cpu = cpu_model()
    commit = output("git", "rev-parse", "HEAD")
    return {
        "queued_s": float(os.environ.get("SEQBENCH_QUEUED_S", 0)),
        "node": os.environ.get("SLURMD_NODENAME") or platform.node(),
        "cluster_job": next((os.environ[key] for key in JOB_IDS if key in os.environ), None),
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else cpu,
        "cpu_model": cpu,
        "cpu_cores": cores(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "git_commit": commit,
        "git_dirty": None if commit is None else edited(),
        "config_digest": digest(parameters),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def edited():
    """Whether code that this process has loaded differs from the commit's.

    Comments, docstrings and layout are no difference, nor is a file that nothing here has loaded.
    """
    files = [Path(getattr(module, "__file__", None) or "") for module in [*sys.modules.values()]]
    loaded = [p for p in files if p.is_relative_to(ROOT) and not p.is_relative_to(sys.prefix)]
    changed = output("git", "status", "--porcelain=v2", "--no-renames", "--", *map(str, loaded))
    for line in (changed or "").splitlines():
        name = line.split(" ", 1 if line[0] == "?" else 8)[-1]
        committed = output("git", "show", f"HEAD:./{name}")
        if committed is None or substance_of(ast.parse(committed)) != substance(name):
            return True
    return False


def node_shared():
    """Whether Slurm may put other jobs on this job's node; None where Slurm does not say."""
    job = os.environ.get("SLURM_JOB_ID")
    answer = job and output("squeue", "--noheader", f"--jobs={job}", "--format=%h")
    return answer != "NO" if answer else None  # NO: not to be shared


def set_malloc(setting, device="cpu"):
    """Set how the C library allocates large buffers in this process; say what is in force.

    system: as it comes. glibc then maps each buffer above 32 MB when it is needed and unmaps it
    when it is freed, so that every call pays for a page fault for each 4 KB of it. raised: buffers
    of any size stay with the process (mallopt(3): M_MMAP_MAX 0, M_TRIM_THRESHOLD -1; a threshold
    of its own for mmap is refused above 32 MB before glibc 2.35). To be called before anything
    large is allocated. It cannot be undone, and does nothing on a GPU or where the library is not
    glibc.
    """
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")  # "glibc 2.36"
    except (AttributeError, OSError, ValueError):
        return "system: not glibc"
    if setting == "raised" and device == "cpu":
        libc = ctypes.CDLL(None)
        if libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, -1):
            return f"{version}: no mmap, no trim"
    chosen = [f"{key}={value}" for key, value in sorted(os.environ.items()) if is_malloc(key)]
    return " ".join([f"{version}: system", *chosen])


def is_malloc(key):
    """Whether an environment variable sets how glibc allocates."""
    return key == "GLIBC_TUNABLES" or key.startswith("MALLOC_")


def page_faults():
    """Minor page faults of this process so far; 0 where the system does not count them."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0


def clock(device, threads):
    """The clock to time calls by: the process's CPU time where one thread does all the work.

    What the system gives to other processes meanwhile does not count then.
    """
    return time.process_time if device == "cpu" and threads == 1 else time.perf_counter


def pin(count, device="cpu"):
    """Keep this process on `count` cores, those least busy just now; None where that cannot be.

    The driver of a GPU has threads of its own, so a process that uses one is left alone.
    """
    if device != "cpu":
        return None
    try:
        allowed = os.sched_getaffinity(0)
        busy = dict(enumerate(psutil.cpu_percent(0.1, percpu=True)))
        chosen = sorted(sorted(allowed), key=lambda core: busy.get(core, 0.0))[:count]
        os.sched_setaffinity(0, chosen)
    except (AttributeError, OSError):
        return None
    return sorted(chosen)


@contextmanager
def watch_load():
    """Columns on what else the machine did meanwhile, filled in at the end of the `with` block."""
    columns = {"load_start": os.getloadavg()[0]}
    before, busy, start = psutil.Process().cpu_times(), busy_seconds(), time.perf_counter()
    yield columns
    elapsed = time.perf_counter() - start
    now = psutil.Process().cpu_times()
    of_this = now.user + now.system - before.user - before.system
    columns["busy_cores"] = max(0.0, (busy_seconds() - busy - of_this) / max(elapsed, 1e-9))
    columns["load_end"] = os.getloadavg()[0]


def calibration_kernel(device):
    """A fixed piece of work: a matrix product and an elementwise pass, about a millisecond.

    Times divided by its time compare across machines better than seconds do. It writes where it
    wrote before, so that memory allocation is no part of it; it is small, so that the models find
    most of the cache as they left it.
    """
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(256, 256, generator=generator).to(device)
    b = torch.randn(1 << 17, generator=generator).to(device)
    product, image = torch.empty_like(a), torch.empty_like(b)

    def call():
        torch.mm(a, a, out=product)
        return torch.tanh(b, out=image)

    return call


def peak_ram(call, device):
    """Bytes that one call needs on top of what is there before it, and the peak in all.

    CPU: resident set size, from Linux's high-water mark, which is reset first; NaN elsewhere.
    CUDA: torch's allocator.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
        return peak - before, peak
    return_free_ram()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # reset the high-water mark
    except OSError:
        call()
        return None, None
    before = status_bytes("VmRSS")
    call()
    peak = status_bytes("VmHWM")
    return max(0, peak - before), peak


def return_free_ram():
    """Have glibc give freed memory back, so that a later peak is not served from leftovers."""
    with suppress(OSError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def limited_ram(megabytes, device="cpu"):
    """Refuse allocations beyond `megabytes` in the block, or beyond what is free where it is 0.

    A cell that does not fit then fails with an error that becomes a row, instead of being killed
    together with its neighbours. Linux and CPU only; elsewhere it does nothing.
    """
    if platform.system() != "Linux" or device != "cpu":
        yield
        return
    free = free_ram()
    limit = status_bytes("VmData") + (min(megabytes * 1_000_000, free) if megabytes else free)
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def free_ram():
    """Bytes that the machine has free, or fewer where a container or a cluster job may not have all.

    These are control groups, one within the other; what processes of a group hold counts, cached
    files do not.
    """
    free = [psutil.virtual_memory().available]
    for line in (read_text("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        folder, limit, held = CGROUPS.get(controllers, ("", "", ""))
        for group in (Path(path), *Path(path).parents):
            allowed = read_text(f"{folder}{group}/{limit}") or ""
            stat = (read_text(f"{folder}{group}/memory.stat") or "").split()
            if allowed.isdigit() and held in stat:
                free.append(int(allowed) - int(stat[stat.index(held) + 1]))
    return max(0, min(free))


def is_out_of_memory(error):
    """Whether an exception says that memory ran out, on the CPU or the GPU; oneDNN's says less."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = (
        "can't allocate memory",
        "bad_alloc",
        "could not create",
        "could not execute a primitive",
    )
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def cores():
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def cpu_model():
    """Name of the CPU, with family and model where the name says little."""
    fields = {}
    for line in (read_text("/proc/cpuinfo") or "").split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return (
        f"{fields['model name']} (family {fields.get('cpu family')}, model {fields.get('model')})"
    )


def digest(parameters):
    """First 12 hexadecimal digits of the sha256 of the parameters."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]


def busy_seconds():
    """CPU seconds that the whole machine has been busy since it started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def status_bytes(key):
    """A value of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def read_text(path):
    """Text of a file, or None where it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def output(*command):
    """What a command prints in the repository, or None where it is absent or fails."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
