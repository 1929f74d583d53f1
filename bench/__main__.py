"""The benchmark: `python -m bench [MEASURE…]` measures and prints one table."""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import machine, report
from bench.aged import aged
from bench.crowd import crowd
from bench.fresh import fresh
from bench.growth import growth
from bench.held import held
from bench.large import large
from bench.late import late
from bench.latency import latency
from bench.listing import listing
from bench.many import many
from bench.marks import MARKS
from bench.memory import memory
from bench.samples import Sample, number
from bench.session import Session
from bench.stalled import stalled
from bench.starts import starts
from bench.throughput import throughput

EX_TERMINATED = 128 + signal.SIGTERM
RESULTS = Path(__file__).with_name("results")
MEASURES: dict[str, Callable[[Session], Iterator[Sample]]] = {
    "throughput": throughput,
    "latency": latency,
    "aged": aged,
    "starts": starts,
    "late": late,
    "crowd": crowd,
    "many": many,
    "large": large,
    "memory": memory,
    "stalled": stalled,
    "listing": listing,
    "growth": growth,
    "held": held,
    "fresh": fresh,
}


def main() -> None:
    """Measure what is asked for."""
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EX_TERMINATED))  # so that all is cleared up
    samples: list[Sample] = []
    with (
        busy(given.busy),
        tempfile.TemporaryDirectory(prefix="tailrun-bench-", dir=given.directory) as directory,
    ):
        session = Session(
            directory=Path(directory),
            runs=given.runs,
            scale=given.scale,
            patience_seconds=given.patience,
        )
        for name in given.measures or MEASURES:
            for sample in MEASURES[name](session):
                samples.append(sample)
                told = f"{sample.measure}: {sample.figure}, {sample.who}"
                print(f"  {told}: {number(sample.value)} {sample.unit}", flush=True)
    facts = {**machine.describe(), "scale": f"{given.scale:g}", "busy loops": str(given.busy)}
    text = report.markdown(facts, samples, MARKS)
    full = not given.measures and given.scale == 1 and given.busy == 0
    report.write(RESULTS, facts, samples, text, full=full)
    print(f"\n{text}\nwritten to {RESULTS}")


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Have so many processes compute for as long as this is entered."""
    with ExitStack() as stack:
        for _ in range(loops):
            loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(loop.wait)
            stack.callback(loop.kill)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], help="default: all")
    parser.add_argument("--runs", type=int, default=5, help="samples of each figure (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all sizes (1)")
    parser.add_argument(
        "--patience", type=float, default=30.0, help="seconds to wait for a quiet machine (30)"
    )
    parser.add_argument("--busy", type=int, default=0, help="busy loops beside all measures (0)")
    parser.add_argument("--directory", help="where state and files go, on the disk to be measured")
    return parser


if __name__ == "__main__":
    main()
