"""Schedules of a service as a process: killed at any point, with clocks that jump."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from server.keeper import processes
from server.keeper.failpoints import VARIABLE
from tests.support import faketime
from tests.support.client import Client, Start
from tests.support.waiting import until, until_true

pytestmark = pytest.mark.usefixtures("unmeasured")

SECOND = timedelta(seconds=1)


def gone(pid: int) -> bool:
    process = processes.read(pid)
    return process is None or process.ended


async def scheduled(client: Client, script: str, cron: str, **fields: object) -> str:
    """Store a command with a schedule; return the schedule's id."""
    body = {"name": "test", "script": script, "start": False}
    command = await client.call("POST", "commands/", json=body)
    path = f"commands/{command['id']}/schedules"
    made = await client.call("POST", path, json={"cron": cron, **fields})
    schedule_id: str = made["id"]
    return schedule_id


async def fires(client: Client, schedule_id: str) -> list[dict[str, Any]]:
    """Return what came of its due times, the first first."""
    page = await client.call("GET", f"schedules/{schedule_id}/fires?limit=500")
    return [*reversed(page["items"])]


async def until_started(client: Client, schedule_id: str, count: int) -> list[dict[str, Any]]:
    """Wait until so many due times have started runs; return what came of all."""

    async def have_come() -> bool:
        found = await fires(client, schedule_id)
        return len([fire for fire in found if fire["run_id"] is not None]) >= count

    await until_true(have_come)
    return await fires(client, schedule_id)


@pytest.mark.parametrize(
    "point",
    [
        "schedule.deciding:3",
        "schedule.decided:3",
        "run.stored:3",
        "run.started:3",
        "schedule.decided:1",
    ],
)
async def test_each_second_is_started_once_wherever_the_server_is_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    notes = tmp_path / "notes"
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    pid = client.service.pid
    body = {"name": "test", "script": f"echo $TAILRUN_RUN_ID >>{notes}", "start": False}
    command = await client.call("POST", "commands/", json=body)
    asked = {"cron": "* * * * * *", "overlap": "allow"}
    made = await client.call("POST", f"commands/{command['id']}/schedules", json=asked)
    await until(lambda: gone(pid))
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    await until_started(client, made["id"], 8)
    await client.call("PATCH", f"schedules/{made['id']}", json={"enabled": False})
    found = await fires(client, made["id"])
    runs = [fire["run_id"] for fire in found]
    for run_id in runs:
        assert (await client.finished(run_id))["state"] == "succeeded"
    assert sorted(notes.read_text().split()) == sorted(runs)
    due = [datetime.fromisoformat(fire["due_at"]) for fire in found]
    assert {later - earlier for earlier, later in pairwise(due)} == {SECOND}
    stored = await client.call("GET", f"commands/{command['id']}/runs?limit=500")
    assert {run["id"] for run in stored["items"]} == set(runs)


@pytest.mark.parametrize("point", ["schedule.settling", "schedule.settled"])
async def test_what_waited_is_started_once_wherever_the_server_is_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    monkeypatch.setenv(VARIABLE, point)
    client = await start()
    pid = client.service.pid
    script = f"while ! [ -e {gate} ]; do sleep 0.05; done; echo $TAILRUN_RUN_ID >>{notes}"
    schedule_id = await scheduled(client, script, "* * * * * *", overlap="queue")

    async def one_waits() -> bool:
        return any(fire["outcome"] == "queued" for fire in await fires(client, schedule_id))

    await until_true(one_waits)
    gate.touch()
    await until(lambda: gone(pid))
    await client.service.kill()
    monkeypatch.delenv(VARIABLE)
    await client.service.start()
    found = await until_started(client, schedule_id, 3)
    await client.call("PATCH", f"schedules/{schedule_id}", json={"enabled": False})
    for fire in found:
        if fire["run_id"] is not None:
            assert (await client.finished(fire["run_id"]))["state"] == "succeeded"
    noted = notes.read_text().split()
    assert len(noted) == len(set(noted))


async def test_a_clock_that_jumps_makes_nothing_due_twice(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    for name, value in faketime.environment(clock).items():
        monkeypatch.setenv(name, value)
    client = await start()
    schedule_id = await scheduled(client, "true", "* * * * * *", overlap="allow")
    before = await until_started(client, schedule_id, 2)

    clock.write_text("+3600")  # within LOOK_SECONDS it is noticed, as the next one is due soon
    after = await until_started(client, schedule_id, len(before) + 3)
    missed = [fire for fire in after if fire["outcome"] == "missed"]
    assert len(missed) == 1
    assert missed[0]["count"] > 1000
    assert missed[0]["late_at"] is not None

    # Half an hour back: nothing comes again. Another schedule shows that time goes on.
    clock.write_text("+1800")
    decided = after[-1]["due_at"]
    other = await scheduled(client, "true", "* * * * * *", overlap="allow")
    await until_started(client, other, 3)
    due = [fire["due_at"] for fire in await fires(client, schedule_id)]
    assert due == sorted(set(due))
    assert [one for one in due if one > decided] == due[len(after) :]
    assert len(due) - len(after) <= 2  # that came while it was asked, before the jump


@pytest.mark.parametrize(
    "due",
    [
        "2027-03-28T01:00:00+00:00",  # 02:30 is skipped: 03:00 instead
        "2027-10-31T00:30:00+00:00",  # the first 02:30 of two
        "2028-02-29T01:30:00+00:00",
    ],
    ids=["forward", "back", "leap"],
)
async def test_a_time_of_day_is_started_when_debian_would(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, due: str
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    for name, value in faketime.environment(clock).items():
        monkeypatch.setenv(name, value)
    client = await start()
    ahead = datetime.fromisoformat(due) - datetime.now(UTC) - timedelta(seconds=15)
    clock.write_text(f"+{ahead.total_seconds():.0f}")
    schedule_id = await scheduled(client, "date", "30 2 * * *", time_zone="Europe/Berlin")
    [fire] = await until_started(client, schedule_id, 1)
    assert fire["due_at"] == due
    assert (await client.finished(fire["run_id"]))["state"] == "succeeded"


async def test_a_week_of_downtime_is_told_after_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    for name, value in faketime.environment(clock).items():
        monkeypatch.setenv(name, value)
    client = await start()
    skips = await scheduled(client, "true", "0 * * * *")
    once = await scheduled(client, "true", "0 * * * *", missed="once")
    await client.service.terminate()
    clock.write_text(f"+{7 * 86400}")
    await client.service.start()
    [started] = await until_started(client, once, 1)
    assert started["count"] in {167, 168, 169}

    async def is_told() -> bool:
        return bool(await fires(client, skips))

    await until_true(is_told)
    [missed] = await fires(client, skips)
    assert (missed["outcome"], missed["run_id"]) == ("missed", None)
    assert "no server could decide it before" in missed["reason"]
    stored = await client.call("GET", "runs/")
    assert [run["id"] for run in stored["items"]] == [started["run_id"]]
