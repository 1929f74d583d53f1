"""A server that hangs, another one in its place, and what the first does when it wakes."""

import os
import signal
from pathlib import Path

from server.state import LOCK_FILE
from tests.support.client import Client, Start
from tests.support.service import Service
from tests.support.waiting import until


async def test_a_server_that_wakes_in_anothers_place_ends_and_disturbs_nothing(
    start: Start, tmp_path: Path
) -> None:
    """Who wants another one to take over from a server that hangs removes its lock.

    The first wakes when a place has become free, and with a run in its queue that the other one
    has brought to its end.
    """
    client = await start(max_concurrent_runs="1", log_level="info")
    hanging = client.service
    gate, log = tmp_path / "gate", tmp_path / "log"
    script = f"echo start >> {log}; while ! [ -e {gate} ]; do sleep 0.05; done; echo end"
    run_ids = [await client.run(script) for _ in range(2)]
    assert (await client.get_run(run_ids[1]))["state"] == "queued"
    os.kill(hanging.pid, signal.SIGSTOP)
    (hanging.state_dir / LOCK_FILE).unlink()
    second = Service(hanging.state_dir, hanging.environment["TAILRUN_DATABASE_URL"])
    try:
        other = Client(client.session, await second.start())
        gate.touch()
        for run_id in run_ids:
            assert (await other.finished(run_id))["state"] == "succeeded"
        spools = hanging.state_dir / "spool"
        await until(lambda: not any(spools.iterdir()))
        assert await hanging._end(signal.SIGCONT) == os.EX_TEMPFAIL
        assert "another server has taken over the state directory" in hanging.log
        assert log.read_text() == "start\n" * 2
        for run_id in run_ids:
            assert (await other.get_run(run_id))["state"] == "succeeded"
            assert await other.output(run_id) == b"end\n"
    finally:
        assert await second.terminate() == 0
