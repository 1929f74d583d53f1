"""Mutants: promises broken on purpose, in a copy of the tree, to show that the tests notice.

    python -m tests.torture.mutants [words of a mutant's name]

Exit code 1: a mutant lives.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.access_mutants import OF_ACCESS
from tests.torture.ends_mutants import OF_ENDS
from tests.torture.hosts.mutants import OF_HOSTS
from tests.torture.mutant import Mutant
from tests.torture.schedule_mutants import OF_SCHEDULES
from tests.torture.worker_mutants import OF_WORKERS

ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "artifacts", "bench")
SECONDS = 300
SUMMARIES = ("FAILED tests/", "ERROR tests/")
"""How pytest's last lines begin that name what failed; lines of a log begin with ERROR, too."""

REPOSITORY = "tests/integration/repositories/test_output.py"
BINARY = "tests/integration/repositories/database/test_binary.py"
ARCHIVER = "tests/integration/services/archive/test_archiver.py"
LOG = "tests/integration/output/test_log.py"
ENDS = "tests/integration/keeper/test_ends.py"
DRAIN = "tests/integration/keeper/test_drain.py"
LIFE = "tests/integration/keeper/test_life.py"
RENEWAL = "tests/integration/keeper/test_renewal.py"
KEEPER_RUN = "tests/unit/keeper/test_run.py"
RUNS = "tests/integration/repositories/test_runs.py"
FAILPOINTS = "tests/acceptance/test_failpoints.py"
TAKE_OVER = "tests/acceptance/test_take_over.py"
RUNNER = "tests/unit/services/running/test_runner.py"
RUNNER_OF_ALL = "tests/integration/services/running/test_runner.py"
TOMBSTONES = "tests/integration/keeper/test_tombstones.py"
TOMBSTONE_FILES = "tests/unit/keeper/test_tombstones.py"
SPOOL = "tests/unit/keeper/test_spool.py"
TRASH = "tests/unit/keeper/test_trash.py"
STRANGERS = "tests/integration/keeper/test_strangers.py"
UNREADABLE = "tests/integration/services/archive/test_archiver_unreadable.py"
ARCHIVE = "tests/integration/services/archive/test_reader.py"
FAULTS = "tests/acceptance/test_faults.py"


MUTANTS = (
    Mutant(
        "the fence is removed from the append",
        "server/repositories/output.py",
        "r.epoch = a.epoch AND ",
        "",
        (REPOSITORY, ARCHIVER),
    ),
    Mutant(
        "the append does not compare offsets",
        "server/repositories/output.py",
        "AND r.output_bytes = a.from_offset",
        "",
        (REPOSITORY, ARCHIVER),
    ),
    Mutant(
        "an append that was given up is done later",
        "server/repositories/output.py",
        "SELECT commands_check_deadline(%(deadline)s)",
        "SELECT 1 WHERE %(deadline)s::timestamptz IS NOT NULL",
        (REPOSITORY,),
    ),
    Mutant(
        "a result of the archive's connection is not freed",
        "server/repositories/database/binary.py",
        "self._library.PQclear(result)",
        "pass",
        (BINARY,),
    ),
    Mutant(
        "the archive's socket is watched between calls",
        "server/repositories/database/binary.py",
        "if answered is not None:\n            self._loop.remove_reader(self._fileno)",
        "if answered is not None:",
        (BINARY,),
    ),
    Mutant(
        "taking over does not raise the epoch",
        "server/repositories/run_statements.py",
        "SET epoch = r.epoch + 1, host",
        "SET epoch = r.epoch, host",
        (RUNS,),
    ),
    Mutant(
        "the exit is looked for after the last read",
        "server/output/log.py",
        "        exited = self._exited()\n        status = os.fstat(self._require_open())\n",
        "        status = os.fstat(self._require_open())\n        exited = self._exited()\n",
        (LOG,),
    ),
    Mutant(
        "the spool is removed before the commit",
        "server/services/running/finisher.py",
        "        record = self._spool.read_exit(str(run.id))\n",
        "        record = self._spool.read_exit(str(run.id))\n"
        "        self._spool.remove(str(run.id))\n",
        (FAILPOINTS,),
    ),
    Mutant(
        "a run that has a spool is started again",
        "server/keeper/spool.py",
        "        except FileExistsError:\n            return False\n",
        "        except FileExistsError:\n            self.remove(run_id)\n"
        "            directory.mkdir(mode=0o700)\n",
        (ENDS, FAILPOINTS),
    ),
    Mutant(
        "an answer that comes late starts an ended run a second time",
        "server/keeper/runs.py",
        "        if run_id not in self._tombstones:\n",
        "        if True:\n",
        (TOMBSTONES, RUNNER_OF_ALL),
    ),
    Mutant(
        "a keeper does not know what has ended under the one before",
        "server/keeper/tombstones.py",
        "        self._load()\n        if missing",
        "        if missing",
        (TOMBSTONES,),
    ),
    Mutant(
        "a run is forgotten while it has a spool",
        "server/keeper/tombstones.py",
        "            if _within(keys, _key(run_id)):\n",
        "            if False:\n",
        (TOMBSTONE_FILES,),
    ),
    Mutant(
        "a run ends before its pipe is drained",
        "server/keeper/run/run.py",
        "        self._timeout.cancel()\n        await self._drain()\n",
        "        self._timeout.cancel()\n",
        (DRAIN,),
    ),
    Mutant(
        "an end that was not seen is no reason to be lost",
        "server/keeper/run/run.py",
        "lost=not status.known",
        "lost=False",
        (LIFE, FAILPOINTS),
    ),
    Mutant(
        "nobody holds the pipes of a keeper that has died",
        "server/keeper/client.py",
        "            if self._spool.read_exit(run_id) is None:\n",
        "            if False:\n",
        (LIFE,),
    ),
    Mutant(
        "a keeper that executes its code anew opens the files of its runs by name",
        "server/keeper/handover.py",
        "return self._runs.pop(run_id, None)",
        "return None",
        (RENEWAL,),
    ),
    Mutant(
        "a recorded end is overwritten when something fails after it",
        "server/keeper/runs.py",
        "        if not recorded:\n",
        "        if True:\n",
        (KEEPER_RUN,),
    ),
    Mutant(
        "a pid is enough to be the same process",
        "server/keeper/processes.py",
        "process is not None and process.start_ticks == start_ticks",
        "process is not None",
        (LIFE,),
    ),
    Mutant(
        "a server whose place was taken goes on",
        "server/state.py",
        "        os._exit(os.EX_TEMPFAIL)\n",
        "",
        (TAKE_OVER,),
    ),
    Mutant(
        "a refused run is tried again without a pause",
        "server/services/running/runner.py",
        "                    await asyncio.sleep(KEEPER_RETRY_SECONDS)\n",
        "                    await asyncio.sleep(0)\n",
        (RUNNER,),
    ),
    Mutant(
        "a removal that fails is raised",
        "server/keeper/spool.py",
        "                if run_id not in self._unremoved:\n",
        "                raise\n                if run_id not in self._unremoved:\n",
        (SPOOL, TRASH),
    ),
    Mutant(
        "what stands at the name of a record stays there",
        "server/keeper/spool.py",
        "                self.trash.take(stranger)\n",
        "                pass\n",
        (SPOOL,),
    ),
    Mutant(
        "a hole that somebody has made is archived",
        "server/keeper/run/regular.py",
        "if size - hole < HOLE_BYTES:",
        "if True:",
        (STRANGERS,),
    ),
    Mutant(
        "a row that is refused holds up the others",
        "server/services/archive/archiver.py",
        "            del batch[step[0]]\n",
        "            raise error\n",
        (f"{FAULTS}::test_a_run_whose_row_is_refused_is_postponed_alone",),
    ),
    Mutant(
        "an output that cannot be read holds up the others",
        "server/services/archive/archiver.py",
        "            except Exception as error:\n                self._give_up_or_wait(",
        "            except ZeroDivisionError as error:\n                self._give_up_or_wait(",
        (UNREADABLE, f"{FAULTS}::test_a_step_that_fails_once_is_taken_again"),
    ),
    Mutant(
        "the length of an archived chunk is not compared",
        "server/services/archive/codec.py",
        "if size != chunk.byte_count:",
        "if size < 0:",
        (ARCHIVE,),
    ),
    *OF_ACCESS,
    *OF_ENDS,
    *OF_SCHEDULES,
    *OF_WORKERS,
    *OF_HOSTS,
)


def main() -> int:
    """Show what becomes of each mutant, and return the exit code."""
    words = " ".join(sys.argv[1:])
    chosen = [mutant for mutant in MUTANTS if words in mutant.name]
    width = max(len(mutant.name) for mutant in MUTANTS)
    survivors = 0
    for mutant in chosen:
        began = time.monotonic()
        killer = _killer(mutant)
        survivors += killer is None
        seconds = time.monotonic() - began
        print(f"{mutant.name:{width}}  {seconds:4.0f} s  {killer or 'LIVES'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants were caught")
    return 1 if survivors else 0


def _killer(mutant: Mutant) -> str | None:
    """Return the test that fails on a copy of the tree with the mutant; None when none does."""
    with tempfile.TemporaryDirectory(prefix="tailrun-mutant-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=IGNORED)
        mutant.apply(tree)
        options = ["-q", "-x", "-p", "no:cacheprovider", f"--basetemp={directory}/tests"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *mutant.tests],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(SUMMARIES)]
    return failed[0].split()[1] if failed else None


if __name__ == "__main__":
    sys.exit(main())
