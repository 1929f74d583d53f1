"""The end of a run whose end is known before the loop has had a turn to move its output."""

import time
from collections.abc import Iterator
from pathlib import Path

from server.keeper.processes import boot_id
from server.keeper.records import Limits, ProcessRecord
from server.keeper.run.pump import loud_mover
from server.keeper.run.run import Run
from server.keeper.run.status import Status
from server.keeper.spool import PIPE, Spool

RUN_ID = "12345678-1234-1234-1234-123456789abc"
NO_PID = 2**22 + 1
"""Above the largest that there can be (proc_sys_kernel(5))."""


class NoOrphans:
    def orphans(self) -> Iterator[int]:
        return iter(())

    def is_sole(self, _: str) -> bool:
        return True


async def known() -> Status:
    return Status()


async def test_what_is_still_in_the_pipe_is_kept(tmp_path: Path) -> None:
    """So a keeper finds runs that ended while there was none."""
    spool = Spool(tmp_path)
    assert spool.create(RUN_ID, b"true")
    run = Run(RUN_ID, Limits(), spool, NoOrphans(), loud_mover())
    with (spool.directory(RUN_ID) / PIPE).open("wb", buffering=0) as pipe:
        pipe.write(b"last words\n")
        record = ProcessRecord(NO_PID, 1, boot_id(), time.time())
        run.follow(record, known(), is_child=False)
        await run.live()
    end = spool.read_exit(RUN_ID)
    assert end is not None
    assert (end.lost, end.output_bytes) == (True, 11)
    assert spool.output_path(RUN_ID).read_bytes() == b"last words\n"
