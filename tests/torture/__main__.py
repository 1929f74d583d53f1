"""The torture's command line: breaks a Tailrun for some minutes and tells what it found.

    python -m tests.torture --minutes 5 --seed 1 --faults server,keeper,database,victims
    python -m tests.torture --minutes 15 --faults database --outage 300
    python -m tests.torture --minutes 5 --run-as nobody        # as root
    python -m tests.torture --minutes 15 --hosts 3             # two servers, three workers, NATS

Exit code 1: a promise was broken. What there is to be seen is kept, and named.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture.hosts.torture import HostsTorture
from tests.torture.tally import Tally
from tests.torture.torture import KINDS, OUTAGE_SECONDS, Torture


def main() -> int:
    """Torture, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default=",".join(KINDS), help="default: all of them")
    parser.add_argument(
        "--outage", type=float, default=OUTAGE_SECONDS, help="the database's longest, in seconds"
    )
    parser.add_argument(
        "--run-as", help="another user, whose the runs are; victims, which need ours, are left out"
    )
    parser.add_argument(
        "--hosts", type=int, help="so many workers beside two servers; the faults are their own"
    )
    given = parser.parse_args()
    kinds = frozenset(given.faults.split(","))
    if not kinds <= set(KINDS):
        parser.error(f"--faults takes {','.join(KINDS)}")
    if given.run_as is not None:
        kinds -= {"victims"}
    directory = Path(tempfile.mkdtemp(prefix="tailrun-torture-"))
    tally = Tally()
    torture: Torture | HostsTorture
    if given.hosts is not None:
        torture = HostsTorture(directory, given.seed, tally, workers=given.hosts)
    else:
        torture = Torture(
            directory, given.seed, kinds, tally, outage_seconds=given.outage, run_as=given.run_as
        )
    asyncio.run(torture.run(60 * given.minutes))
    print(tally.report())
    print(f"{len(tally.violations):>12,}  violations")
    if not tally.violations:
        shutil.rmtree(directory)
        return 0
    print(
        f"Logs, spools and database are in {directory}. To try again:\n"
        f"python -m tests.torture --minutes {given.minutes:g} --seed {given.seed}"
        f" --faults {given.faults} --outage {given.outage:g}"
        + (f" --run-as {given.run_as}" if given.run_as is not None else "")
        + (f" --hosts {given.hosts}" if given.hosts is not None else "")
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
