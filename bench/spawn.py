"""The least that a run costs: spawning in bare asyncio, alone and with what Tailrun keeps of a run.

All in one process, without HTTP, without a keeper, and without anybody who could watch.
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from server.keeper.records import ExitRecord, ProcessRecord
from server.keeper.spool import OUTPUT, SCRIPT, Spool
from server.models import Advance, Chunk, RunEnd, RunState
from server.repositories.commands import CommandRepository
from server.repositories.output import OutputRepository

ECHO = "echo hi"
ECHOED = b"hi\n"


async def spawned(script: Path, output: Path) -> int:
    """Run a script with `sh` to its end, its output in a new file; return its pid."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec("/bin/sh", str(script), stdout=file)
    assert await process.wait() == 0
    assert output.read_bytes() == ECHOED
    return process.pid


async def spooled(spool: Spool, run_id: str) -> None:
    """Run it with a spool, which is removed at the end."""
    spool.create(run_id, ECHO.encode())
    directory = spool.directory(run_id)
    pid = await spawned(spool.work(run_id) / SCRIPT, directory / OUTPUT)
    spool.write_process(run_id, ProcessRecord(pid, 0, "", time.time()))
    spool.write_exit(run_id, ExitRecord(exitcode=0))
    spool.remove(run_id)


async def stored(spool: Spool, commands: CommandRepository, outputs: OutputRepository) -> None:
    """Run it with a spool, its row stored before and its output and end after."""
    _, run = await commands.add_with_run("bench", None, ECHO, host="bench")
    now = datetime.now(UTC)
    await spooled(spool, str(run.id))
    advance = Advance(
        run_id=run.id,
        epoch=run.epoch,
        from_offset=0,
        to_offset=len(ECHOED),
        to_lines=1,
        chunks=(Chunk(0, len(ECHOED), 1, 1, now, ECHOED),),
        preview=ECHOED.decode(),
        start_time=now,
        end=RunEnd(RunState.SUCCEEDED, now, exitcode=0),
    )
    assert await outputs.append([advance]) == {run.id}
