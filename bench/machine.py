"""What the machine tells: how busy it is, and the time and memory of processes."""

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS, QUIET_BUSY = 0.2, 0.1
CPUCLOCK_SCHED = 2


def await_quiet(patience_seconds: float) -> float:
    """Wait a while for others to leave the machine; return the share of the CPUs in use."""
    deadline, uptime = time.monotonic() + patience_seconds, Path("/proc/uptime")
    while True:
        up, idle = map(float, uptime.read_text(encoding="ascii").split())
        time.sleep(LOOK_SECONDS)
        up_now, idle_now = map(float, uptime.read_text(encoding="ascii").split())
        busy = 1 - (idle_now - idle) / (up_now - up) / (os.cpu_count() or 1)
        if busy <= QUIET_BUSY or time.monotonic() >= deadline:
            return max(0.0, busy)


def cpu_seconds(pid: int) -> float:
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)  # as clock_getcpuclockid(3), precisely


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children, those included that have ended."""
    process = Path(f"/proc/{pid}")
    while True:
        children = (process / f"task/{pid}/children").read_text(encoding="ascii").split()
        try:
            alive = cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)
        except OSError:  # one ended meanwhile: its time is among the reaped ones' now
            continue
        fields = (process / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        return alive + sum(int(field) for field in fields[13:15]) / TICKS  # proc_pid_stat(5)


def memory(pid: int, what: str = "VmRSS") -> int:
    """Return bytes, by one of proc_pid_status(5)'s names."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


def own_memory(pid: int) -> dict[str, int]:
    """Return a process's own bytes: PSS, with its part of what it shares, and USS, without."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").split("\n")[1:]
    sizes = {
        name: int(rest.split()[0]) * 1024 for name, rest in (one.split(":") for one in told if one)
    }
    return {"PSS": sizes["Pss"], "USS": sizes["Private_Clean"] + sizes["Private_Dirty"]}


@contextmanager
def growth(*pids: int) -> Iterator[dict[int, int]]:
    """Tell, once it is left, by how many bytes the resident memory of processes grew at most."""
    grown: dict[int, int] = {}
    before = {pid: memory(pid) for pid in pids}
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    yield grown
    grown.update({pid: max(0, memory(pid, "VmHWM") - before[pid]) for pid in pids})


@contextmanager
def pinned(processors: Mapping[int, Iterable[int]]) -> Iterator[None]:
    """Have processes, by pid, run on one processor each, and all that they start: then on all."""
    everywhere = os.sched_getaffinity(0)
    placed = [(pid, processor) for processor, pids in processors.items() for pid in pids]
    try:
        for pid, processor in placed:
            _have_run_on(pid, {processor})
        yield
    finally:
        for pid, _ in placed:
            _have_run_on(pid, everywhere)


def _have_run_on(pid: int, processors: set[int]) -> None:
    """Have a process, its threads and its children run there; those that end meanwhile need not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                os.sched_setaffinity(int(task.name), processors)
                for child in (task / "children").read_text(encoding="ascii").split():
                    _have_run_on(int(child), processors)


def describe() -> dict[str, str]:
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(line.split(": ")[1] for line in cpus if line.startswith("model name"))
    describing = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    return {
        "machine": f"{os.cpu_count()} x {model}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": subprocess.check_output(describing, text=True).strip(),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
