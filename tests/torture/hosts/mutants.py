"""Promises of many hosts, broken on purpose: each is noticed by a short torture of them."""

from tests.torture.mutant import Mutant

SHORT = "tests/torture/test_short.py::test_runs_survive_a_short_torture_of_many_hosts"

OF_HOSTS = (
    Mutant(
        "a request that is asked for again starts another run",
        "server/repositories/requests.py",
        "KEPT_FOR = timedelta(hours=24)",
        "KEPT_FOR = timedelta(0)",
        (SHORT,),
    ),
    Mutant(
        "a run of a worker that has ended is shown as it was before",
        "server/services/hosts/remote_run.py",
        "output_bytes=seen.size, output_lines=lines)",
        "output_bytes=run.output_bytes, output_lines=lines)",
        (SHORT,),
    ),
    Mutant(
        "a viewer who looks anew starts anew",
        "server/services/watching.py",
        "offset = await wanted.start_in(output) if offset is None else offset",
        "offset = await wanted.start_in(output)",
        (SHORT,),
    ),
    Mutant(
        "a block of a worker's output is taken for another one",
        "server/services/hosts/remote_run.py",
        "output.keep(Block(asked.offset, piece.data, piece.marks))",
        "output.keep(Block(0, piece.data, piece.marks))",
        (SHORT,),
    ),
    Mutant(
        "a worker does not go on with the runs that it left",
        "server/worker.py",
        "await retry(partial(self._running.recovery.recover, self._ledger), _pause_after)",
        "pass",
        (SHORT,),
    ),
)
