"""The benchmark: `python -m bench [MEASURE…]` measures and prints one table."""

import argparse
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import machine, report
from bench.applying import applying
from bench.bearer import bearer
from bench.client import client
from bench.crowd import crowd, many, stalled
from bench.fleet import fleet
from bench.held import held
from bench.hosts import hosts
from bench.late import late
from bench.latency import latency
from bench.listing import listing
from bench.memory import memory
from bench.page import opening, page
from bench.search import search
from bench.session import Session
from bench.starts import fresh, starts
from bench.throughput import throughput

FIRST = (throughput, latency, starts, late, crowd, many)
LATER = (
    *(memory, stalled, listing, held, bearer),
    *(page, search, client, applying, hosts, fleet, fresh),
)
MEASURES = {of.__name__: of for of in (*FIRST, *LATER)}
PARTS = {"opening": opening}  # of a measure, for who works on that part
ENOUGH_RUNS = 5  # with fewer samples a median tells little


def main() -> None:
    given = _given()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and clear all up
    facts = {**machine.describe(), "scale": f"{given.scale:g}", "busy loops": str(given.busy)}
    with ExitStack() as stack:
        for _ in range(given.busy):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        own = tempfile.TemporaryDirectory(prefix="tailrun-bench-", dir=given.directory)
        session = Session(
            directory=Path(stack.enter_context(own)),
            runs=given.runs,
            scale=given.scale,
            patience_seconds=0 if given.busy else given.patience,
        )
        for name in given.measures or MEASURES:
            session.measure = name
            (MEASURES | PARTS)[name](session)
    lasting = given.scale == 1 and given.runs >= ENOUGH_RUNS
    print(f"\n{report.write(facts, session.samples, _title(given) if lasting else None)}")


def _title(given: argparse.Namespace) -> str | None:
    """Return what a report replaces: the one on a busy machine, on one measure, or on all."""
    if given.busy:
        return "busy"
    if given.measures in [["page"], ["hosts"]]:
        return str(given.measures[0])
    return None if given.measures else "latest"


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("measures", nargs="*", choices=[[], *MEASURES, *PARTS], help="default: all")
    add("--runs", type=int, default=5, help="samples of each figure (5)")
    add("--scale", type=float, default=1.0, help="multiplies all sizes (1)")
    add("--patience", type=float, default=30, help="seconds to wait for a quiet machine (30)")
    add("--busy", type=int, default=0, help="busy loops beside all measures (0)")
    add("--directory", help="where state and files go, on the disk to be measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
