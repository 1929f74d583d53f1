"""From `git clone` to the first streamed line, on a clean copy."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import machine, viewer
from bench.samples import Sample
from bench.session import Session, Taker
from bench.tailrun import ask_keeper

MEASURE = "fresh copy"
CAPACITY = 1_000_000


def fresh(session: Session) -> Iterator[Sample]:
    """Measure with the packages from the network, then with all of them on disk already.

    The difference of the two is the network's and the package index's, not ours.
    """
    taker = Taker(MEASURE, session)
    wheels = session.directory / "wheels"
    for _ in range(session.runs):
        taker.look()
        yield from _samples(taker, session.directory, "from the network", {"PIP_NO_CACHE_DIR": "1"})
        if not wheels.exists():
            _download(wheels)
        taker.look()
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
        yield from _samples(taker, session.directory, "packages on disk", offline)


def _download(wheels: Path) -> None:
    """Have on disk what pip installs, and what it builds the project with."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels)]
    constraints = machine.ROOT / "constraints.txt"
    packages = [str(machine.ROOT), "setuptools>=68"]
    subprocess.run([*pip, "--constraint", str(constraints), *packages], check=True)


def _samples(
    taker: Taker, directory: Path, who: str, environment: Mapping[str, str]
) -> Iterator[Sample]:
    copy, state = directory / "copy", directory / "fresh"
    start = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", str(machine.ROOT), str(copy)], check=True)
    times = {"clone": time.monotonic()}
    inherited = {n: v for n, v in os.environ.items() if n != "VIRTUAL_ENV"}
    own = {"TAILRUN_PORT": "0", "TAILRUN_STATE_DIR": str(state), **environment}
    make = subprocess.Popen(
        ["make", "run"], cwd=copy, env=inherited | own, stdout=subprocess.PIPE, text=True
    )
    try:
        times |= _watch(make)
    finally:
        _end(make, state)
        shutil.rmtree(copy)
        shutil.rmtree(state, ignore_errors=True)
    steps = {
        step: at - before
        for before, (step, at) in zip([start, *times.values()], times.items(), strict=False)
    }
    yield taker.sample("to the first line", who, sum(steps.values()), "s", steps)


def _watch(make: "subprocess.Popen[str]") -> dict[str, float]:
    """Follow `make run` up to the first line of a run; return when each step was done."""
    assert make.stdout is not None
    times: dict[str, float] = {}
    for line in make.stdout:
        if line.startswith("Installing"):
            times["venv"] = time.monotonic()
        if (match := re.search(r"serves http://\S+?:(\d+)/", line)) is not None:
            times["pip and start"] = time.monotonic()
            break
    else:
        raise RuntimeError("`make run` failed")
    job = viewer.Job(port=int(match[1]), kind="text", script="echo hi", capacity=CAPACITY)
    assert viewer.view(job).output_bytes == len(b"hi\n")
    times["first line"] = time.monotonic()
    return times


def _end(make: "subprocess.Popen[str]", state: Path) -> None:
    """End what was started: make hands the signal on to nobody, so the server gets it too."""
    keeper = ask_keeper(state)
    for pid in reversed(machine.family(make.pid)):
        os.kill(pid, signal.SIGTERM)
    make.communicate(timeout=60)
    os.kill(keeper, signal.SIGTERM)
