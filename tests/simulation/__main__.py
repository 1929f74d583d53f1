"""Plays cases: `python -m tests.simulation [--cases N] [--from SEED]`; the seed of each is told."""

import argparse
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.case import play

AT_ONCE = 50


def played(seeds: range) -> tuple[list[str], int, float]:
    """Return what was wrong in cases, how often workers asked, and for how long they went on."""
    logging.disable(logging.CRITICAL)
    wrong, asked, seconds = [], 0, 0.0
    for seed in seeds:
        try:
            case = play(seed)
        except AssertionError as error:
            wrong.append(f"seed {seed}: {error}")
        else:
            asked, seconds = asked + case.asked, seconds + case.seconds
    return wrong, asked, seconds


def main() -> int:
    """Play so many cases, and tell what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="SEED")
    given = parser.parse_args()
    began_at = time.monotonic()
    end = given.first + given.cases
    parts = [range(at, min(at + AT_ONCE, end)) for at in range(given.first, end, AT_ONCE)]
    wrong: list[str] = []
    asked, seconds = 0, 0.0
    with ProcessPoolExecutor() as pool:
        for some, count, lasted in pool.map(played, parts):
            wrong, asked, seconds = wrong + some, asked + count, seconds + lasted
            sys.stdout.writelines(f"{line}\n" for line in some)
    sys.stdout.write(
        f"{given.cases} cases from seed {given.first} on, {asked} requests of workers,"
        f" {seconds / 3600:.0f} h of theirs in {time.monotonic() - began_at:.0f} s:"
        f" {len(wrong)} wrong\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
