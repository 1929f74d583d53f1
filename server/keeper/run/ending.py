"""How the end of a run gets on disk: however long that has no room, and whatever is in the way."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from server.keeper.failpoints import failpoint
from server.keeper.files import TRANSIENT_ERRORS
from server.keeper.records import ExitRecord, Limits
from server.keeper.run.output import OutputFiles, reopened
from server.keeper.spool import Spool

RETRY_SECONDS = 1.0
ATTEMPTS = 5
"""How often the end is tried in a spool that refuses it; a shortage may last longer."""

MAX_ERROR_LENGTH = 500
MAX_SURVIVORS = 16
"""What the space that is kept free for an exit record takes."""

logger = logging.getLogger(__name__)


async def finish(
    spool: Spool, run_id: str, record: ExitRecord, output: Callable[[], OutputFiles]
) -> None:
    """Complete a run's output and record its end; done again, it comes to the same."""
    record = replace(
        record,
        ended_at=time.time(),
        error=record.error and record.error[:MAX_ERROR_LENGTH],
        survivors=record.survivors[:MAX_SURVIVORS],
    )
    spool.on_end(run_id)
    failpoint("keeper.end_noted")
    attempts = ATTEMPTS
    while spool.root.is_dir():  # without any spool nobody will ask for the end
        try:
            spool.restore(run_id)
            completed = await _completed(record, output, hopeless=attempts <= 0)
            failpoint("keeper.output_completed")
            spool.write_exit(run_id, completed)
        except OSError as error:
            logger.warning("run %s: end not recorded, trying again: %s", run_id, error)
            if error.errno not in TRANSIENT_ERRORS:
                attempts -= 1
                if attempts < 0:
                    with suppress(OSError):
                        spool.put_aside(run_id)
            await asyncio.sleep(RETRY_SECONDS)  # no event announces that there is room again
        else:
            return


async def finish_unkept(spool: Spool, run_id: str, limits: Limits, record: ExitRecord) -> None:
    """Record the end of a run whose files are not open: as its spool is damaged, or not whole."""
    files: list[OutputFiles] = []

    def output() -> OutputFiles:
        if not files:
            files.append(reopened(spool.directory(run_id), limits, spool.trash))
        return files[0]

    try:
        await finish(spool, run_id, record, output)
    finally:
        for opened in files:
            opened.close()


async def _completed(
    record: ExitRecord, output: Callable[[], OutputFiles], *, hopeless: bool
) -> ExitRecord:
    """Complete the output and note it in the record; if that is `hopeless`, note why instead."""
    try:
        files = output()
        size, left_out = await files.finish()
    except OSError as error:
        if not hopeless or error.errno in TRANSIENT_ERRORS:
            raise
        return replace(record, output_error=str(error)[:MAX_ERROR_LENGTH])
    return replace(record, output_bytes=size, left_out_bytes=left_out, output_changed=files.changed)
