"""What the machine tells: load, time and memory of processes."""

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
SETTLE_SECONDS = 0.2
CPUCLOCK_SCHED = 2


class Load(NamedTuple):
    """The load average of a minute, and the share of the CPUs that was busy just before."""

    average: float
    busy: float


def load() -> Load:
    """Look how much others use the machine, before a sample is taken."""
    before = _cpu_times()
    time.sleep(SETTLE_SECONDS)
    spent = [after - first for after, first in zip(_cpu_times(), before, strict=True)]
    idle = spent[3] + spent[4]
    return Load(os.getloadavg()[0], 1 - idle / max(1, sum(spent)))


def _cpu_times() -> list[int]:
    """Read the first line of proc_stat(5): user, nice, system, idle, iowait and so on."""
    line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    return [int(number) for number in line.split()[1:9]]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, in full precision: clock_getcpuclockid(3), by hand.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def reaped_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process's reaped children (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return sum(int(field) for field in fields[13:15]) / TICKS


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [pid, *(int(child) for child in listed.split())]


class Memory(NamedTuple):
    """A process's memory in bytes: proportional and resident set (proc_pid_smaps(5)).

    `own` is the proportional set without pages of files: what the process itself made. A process's
    share of its interpreter's pages gets smaller with every other Python that is started.
    """

    pss: int
    rss: int
    own: int


def memory(pid: int) -> Memory:
    """Return a process's memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return Memory(sizes["Pss"], sizes["Rss"], sizes["Pss"] - sizes["Pss_File"])


def peak_memory(pid: int) -> int:
    """Return the most resident memory, in bytes, that a process ever had (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def describe() -> dict[str, str]:
    """Tell what was measured, and on what."""
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")]
    return {
        "machine": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _git("describe", "--always", "--dirty"),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
