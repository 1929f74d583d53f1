"""Two years of due times, with servers that are killed and days without any: once each."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from server.repositories.database.database import Database
from server.schedules import Missed, Overlap, Schedule
from server.services.schedules.firing import Firing
from tests.integration.services.schedules.harness import World, settle

BEGIN = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
DAYS = 730
OUTAGES = 40
CALM = 0.9
"""Of the moments at which something is due, at so many one server decides it, and goes on."""

KILLS = 0.5
"""At the others there are three, and each of these is killed at some point of that so often."""

LINES = {
    "UTC": "30 2 * * *",
    "Europe/Berlin": "30 2 * * *",
    "America/New_York": "30 2 * * *",
    "Australia/Lord_Howe": "15 2 * * *",
    "America/Havana": "15 0 * * *",
    "Asia/Kathmandu": "30 2 * * *",
    "Pacific/Auckland": "30 2 * * *",
}
"""Times that are skipped, or come twice, where the clocks of a zone change."""

JITTER = (0, 0, 0, 0, 0, 1200)
"""Schedules of a zone without any are due at the same moment, and so contend with each other."""


def due_at(day: date, hour: int, minute: int, zone: ZoneInfo) -> datetime:
    """Return when a time of day comes, as Debian's cron has it: right after hours skipped."""
    moment = datetime.combine(day, time(hour, minute), zone)
    utc = moment.astimezone(UTC)
    while utc.astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
        moment += timedelta(minutes=1)
        utc = moment.astimezone(UTC)
    return utc


def expected(schedule: Schedule, until: datetime) -> set[datetime]:
    """Return when a daily schedule is due, found without the library that finds it."""
    minute, hour, *_ = map(int, schedule.cron.replace("*", "0").split())
    zone = ZoneInfo(schedule.time_zone)
    days = [BEGIN.date() + timedelta(days=count) for count in range(-1, DAYS + 2)]
    found = {due_at(day, hour, minute, zone) for day in days}
    return {moment for moment in found if BEGIN < moment <= until}


async def one_life(firing: Firing, dice: random.Random) -> None:
    """Let a server decide what is due, or kill it at some point of that."""
    work = asyncio.create_task(settle(firing))
    if dice.random() < KILLS:
        for _ in range(dice.randrange(60)):
            if work.done():
                break
            await asyncio.sleep(0)
        work.cancel()
    with suppress(asyncio.CancelledError):
        await work


@pytest.mark.no_cover  # what it does thousands of times, others do once
@pytest.mark.timeout(1800)
async def test_each_due_time_of_two_years_comes_once(database: Database, tmp_path: Path) -> None:
    dice = random.Random(15)
    world = World(database, tmp_path / "journal")
    world.clock.now = BEGIN
    schedules = [
        await world.schedule(
            line,
            time_zone=zone,
            overlap=Overlap.ALLOW,
            missed=missed,
            jitter_seconds=jitter,
        )
        for zone, line in LINES.items()
        for missed, jitter in [(one, dice.choice(JITTER)) for one in Missed]
    ]
    end = BEGIN + timedelta(days=DAYS)
    away = sorted(BEGIN + timedelta(days=dice.uniform(1, DAYS - 9)) for _ in range(OUTAGES))
    away_until = [moment + timedelta(days=dice.uniform(0.1, 8)) for moment in away]
    last, _ = world.server("the last")
    while world.clock.now < end:
        coming = await world.fires.coming(world.clock.now + timedelta(days=36500))
        assert coming.first is not None
        now = max(world.clock.now, coming.first)
        for began, ended in zip(away, away_until, strict=True):
            if began <= now < ended:
                now = ended
        world.clock.now = now
        if dice.random() >= CALM:
            servers = [world.server(f"host {number}")[0] for number in range(3)]
            await asyncio.gather(*(one_life(firing, dice) for firing in servers))
        await settle(last)  # it takes the place of those that were killed
    await check(world, schedules, list(zip(away, away_until, strict=True)))


async def check(
    world: World, schedules: list[Schedule], away: list[tuple[datetime, datetime]]
) -> None:
    """Compare what was stored with what was due."""
    rows = await world.database.fetch_all(
        "SELECT (cause->>'id')::uuid, (cause->>'due_at')::timestamptz, id FROM commands_info"
    )
    runs: dict[object, dict[datetime, object]] = {}
    for schedule_id, moment, run_id in rows:
        assert moment not in runs.setdefault(schedule_id, {}), "it was started twice"
        runs[schedule_id][moment] = run_id
    total = 0
    for schedule in schedules:
        due = expected(schedule, world.clock.now)
        decided: set[datetime] = set()
        cursor = None
        while True:
            page = await world.service.fires(schedule.id, limit=500, cursor=cursor)
            for fire in page.items:
                covered = {one for one in due if fire.due_at <= one <= fire.last_due_at}
                assert len(covered) == fire.count
                assert not covered & decided, "it was decided twice"
                decided |= covered
                started = fire.outcome == "started"
                assert runs.get(schedule.id, {}).get(fire.due_at) == (
                    fire.run_id if started else None
                )
                assert started == (fire.run_id is not None)
                late = any(
                    began <= one <= ended
                    for one in covered
                    for began, ended in [(one[0] - timedelta(hours=1), one[1]) for one in away]
                )
                assert started or (late and schedule.missed is Missed.SKIP)
                assert fire.count == 1 or late
            cursor = page.next
            if cursor is None:
                break
        pending = (await world.schedules.get(schedule.id)).next_times[0]
        assert {one for one in due if one < pending} == decided, "one was forgotten"
        total += len(decided)
    assert total > 10_000
