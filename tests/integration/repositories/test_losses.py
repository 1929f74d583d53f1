"""Runs are given up whose hosts are away, by PostgreSQL's own clock."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from server.access import Act, AuditAsked, Outcome
from server.definition import NewRun, OnUnreachable, Options, Parameter, ParameterType
from server.models import Run, RunState
from server.repositories import workers
from server.repositories.access.audit import AuditRepository
from server.repositories.claims import ClaimRepository
from server.repositories.commands import CommandRepository
from server.repositories.database.database import Database
from server.repositories.ends import EndRepository
from server.repositories.enrolments import EnrolmentRepository
from server.repositories.losses import Away, LossRepository
from server.repositories.runs import RunRepository
from server.repositories.workers import WorkerRepository
from server.services.access.entries import entry_of
from server.services.readiness import said_of
from tests.support.access import BY
from tests.support.waiting import until_true
from tests.support.workers import add_worker, silence

LATER = """
    UPDATE workers SET seen_at = seen_at - make_interval(secs => %(seconds)s),
        lease_until = lease_until - make_interval(secs => %(seconds)s)
    RETURNING id
"""
"""Has so many seconds pass for all hosts."""


class Fleet:
    """A worker `w`, and runs that it has."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.losses = LossRepository(database)
        self.runs = RunRepository(database)
        self._commands = CommandRepository(database)

    async def run(self, policy: str | None = None, **options: Any) -> Run:
        """Store a run, and have `w` claim it."""
        on_unreachable = None if policy is None else OnUnreachable(policy)
        said = Options(pool="build", on_unreachable=on_unreachable, **options)
        command = await self._commands.add("name", None, "true", options=said, by=BY)
        run = await self.runs.add(command.id, "true", "server", new=NewRun(options=said), by=BY)
        claims = ClaimRepository(self.database)
        await claims.release([run.id])
        await add_worker(self.database, "w", name="build-1")
        [claimed] = await claims.claim_within_lease("w", 1)
        return claimed

    async def silent(self, seconds: float, host: str = "w") -> None:
        await silence(self.database, host, seconds)

    async def lose(self, *hosts: str) -> list[Run]:
        return [*await self.losses.lose(hosts or ["w"])]


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet(database)


async def test_runs_of_a_host_that_is_away_end_as_their_commands_say(fleet: Fleet) -> None:
    runs = {policy: await fleet.run(policy) for policy in (None, "wait", "lose", "retry")}
    await fleet.silent(301)
    lost = {run.id: run for run in await fleet.lose()}
    assert lost.keys() == {runs["lose"].id, runs["retry"].id}
    for policy in ("lose", "retry"):
        run = lost[runs[policy].id]
        assert (run.state, run.exitcode, run.signal) == (RunState.LOST, None, None)
        assert run == await fleet.runs.get(run.id)
        assert (run.epoch, run.host) == (runs[policy].epoch, "w")  # it may add what it wrote
        assert run.given_up_at is not None
        assert run.end_time is not None
        assert run.end_time >= run.start_time
        assert run.reason is not None
        assert run.reason.startswith("its host build-1 was away since 20")
        assert run.reason.endswith(f" UTC, for more than 300 s (on_unreachable: {policy})")
    for waits in (runs[None], runs["wait"]):
        assert await fleet.runs.get(waits.id) == waits
    assert await fleet.lose() == []


@pytest.mark.parametrize(
    ("lost_after_seconds", "silent_seconds", "is_lost"),
    [
        (None, 299, False),
        (None, 301, True),
        (60.0, 61, True),  # the lease of 30 s, and as long again for its keeper
        (60.0, 59, False),
        (600.0, 599, False),
        (600.0, 601, True),
    ],
)
async def test_a_run_is_given_up_after_the_time_that_its_command_says(
    fleet: Fleet, lost_after_seconds: float | None, silent_seconds: float, *, is_lost: bool
) -> None:
    await fleet.run("lose", lost_after_seconds=lost_after_seconds)
    await fleet.silent(silent_seconds)
    assert len(await fleet.lose()) == is_lost


async def test_no_run_is_given_up_before_its_host_has_ended_what_is_not_to_outlast_its_lease(
    fleet: Fleet,
) -> None:
    """Whatever lease it was given: another host begins the run then."""
    await fleet.run("retry", lost_after_seconds=60.0)
    for lease_seconds, lost in [(100, 0), (71, 0), (69, 1)]:
        await silence(fleet.database, "w", 100, lease_seconds=lease_seconds)
        assert len(await fleet.lose()) == lost


async def test_the_runs_of_a_host_that_was_removed_are_given_up_once_its_keeper_has_ended_them(
    fleet: Fleet,
) -> None:
    """Nobody can tell the keeper, which holds them until the end of the lease that it knows."""
    run = await fleet.run("retry", lost_after_seconds=60.0)
    hosts = EnrolmentRepository(fleet.database)
    known = await hosts.get("w")
    assert known is not None
    await silence(fleet.database, "w", 30, lease_seconds=130)
    assert await hosts.remove(known, by=BY)
    await fleet.database.fetch_all(LATER, {"seconds": 65})
    assert await fleet.losses.abandon(run.id, by=BY) is None
    assert await fleet.lose() == []
    await fleet.database.fetch_all(LATER, {"seconds": 70})
    assert [lost.id for lost in await fleet.lose()] == [run.id]


async def test_runs_of_hosts_that_are_there_or_that_nobody_asks_about_stay(fleet: Fleet) -> None:
    run = await fleet.run("lose")
    assert await fleet.lose() == []
    await fleet.silent(301)
    assert await fleet.lose("another") == []
    assert await fleet.runs.get(run.id) == run


async def test_a_host_whose_beat_is_just_being_stored_keeps_its_runs(
    fleet: Fleet, database_url: str
) -> None:
    """The statement that is to end them waits for the beat, and looks again."""
    run = await fleet.run("lose")
    await fleet.silent(301)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE workers SET seen_at = now(), lease_until = now() + interval '30 s'")
        losing = asyncio.create_task(fleet.lose())
        await _waits_for_a_lock(fleet.database)
        connection.commit()
        assert await losing == []
    assert await fleet.runs.get(run.id) == run


async def _waits_for_a_lock(database: Database) -> None:
    asked = """
        SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND a.datname = current_database()
    """

    async def is_waiting() -> bool:
        return await database.fetch_one(asked) is not None

    await until_true(is_waiting)


async def test_what_was_written_wrong_by_hand_holds_up_no_other_run(fleet: Fleet) -> None:
    await fleet.run("lose", lost_after_seconds=60.0)
    odd = await fleet.run("lose")
    sql = "UPDATE commands_info SET options = options || %(o)s::jsonb WHERE id = %(id)s RETURNING 1"
    await fleet.database.fetch_all(sql, {"id": odd.id, "o": '{"lost_after_seconds": "soon"}'})
    await fleet.silent(301)
    assert len(await fleet.lose()) == 2


async def test_secrets_are_kept_for_the_next_attempt_alone(fleet: Fleet) -> None:
    ends = EndRepository(fleet.database)
    secret = (Parameter(name="KEY", type=ParameterType.SECRET),)
    kept = {policy: await fleet.run(policy, parameters=secret) for policy in ("lose", "retry")}
    sql = """UPDATE commands_info SET secrets = '{"KEY": "v"}' RETURNING id"""
    await fleet.database.fetch_all(sql)
    await fleet.silent(301)
    assert len(await fleet.lose()) == 2
    for policy, secrets in (("lose", {}), ("retry", {"KEY": "v"})):
        assert await fleet.runs.secrets(kept[policy].id) == secrets
    [due] = await ends.due("any server", 10)
    assert (due.run.id, due.stop_wanted) == (kept["retry"].id, False)
    await ends.take(due.run, retry=None, told=[], host="any server", by=BY)
    assert await fleet.runs.secrets(kept["retry"].id) == {}


async def test_what_was_to_be_stopped_says_so_at_its_end(fleet: Fleet) -> None:
    run = await fleet.run("retry")
    workers = WorkerRepository(fleet.database)
    assert await workers.want_stop(run.id, signal="SIGTERM", grace_seconds=1)
    await fleet.silent(301)
    assert len(await fleet.lose()) == 1
    [due] = await EndRepository(fleet.database).due("any server", 10)
    assert due.stop_wanted


async def test_what_was_being_stopped_as_it_was_lost_says_so_at_its_end(fleet: Fleet) -> None:
    """Its host has taken the stop, and nothing is noted any more; a refused one was none."""
    stops = {outcome: await fleet.run("retry") for outcome in (Outcome.DONE, Outcome.REFUSED)}
    entries = [entry_of(Act.RUN_STOP, BY, outcome, run_id=run.id) for outcome, run in stops.items()]
    await AuditRepository(fleet.database).add(entries)
    await fleet.silent(301)
    assert len(await fleet.lose()) == 2
    due = await EndRepository(fleet.database).due("any server", 10)
    assert {one.run.id: one.stop_wanted for one in due} == {
        stops[Outcome.DONE].id: True,
        stops[Outcome.REFUSED].id: False,
    }


async def test_a_run_is_abandoned_once_its_lease_is_over_with_a_row_of_the_audit(
    fleet: Fleet,
) -> None:
    waits, retried = await fleet.run(), await fleet.run("retry")
    for seconds, done in [(29, (False, False)), (59, (True, False)), (61, (False, True))]:
        await fleet.silent(seconds)
        ended = [await fleet.losses.abandon(run.id, by=BY) for run in (waits, retried)]
        assert (ended[0] is not None, ended[1] is not None) == done
    for run in (waits, retried):
        found = await fleet.runs.get(run.id)
        assert (found.state, found.epoch) == (RunState.LOST, run.epoch)
        assert found.given_up_at is not None
        start = f"abandoned by {BY.principal.name}: its host build-1 was away since 20"
        assert (found.reason or "").startswith(start)
    page = await AuditRepository(fleet.database).list(
        AuditAsked(act=Act.RUN_ABANDON), limit=10, cursor=None
    )
    assert {entry.run_id for entry in page.items} == {waits.id, retried.id}


async def test_who_is_away_is_told_with_what_it_has(fleet: Fleet) -> None:
    assert await fleet.losses.away(9) == []
    await fleet.run("lose")
    for seconds, away in [(29, []), (301, [("build-1", 1)])]:
        await fleet.silent(seconds)
        assert [(one.name, one.runs) for one in await fleet.losses.away(9)] == away
    remove = "UPDATE workers SET state = 'removed' RETURNING id"
    await fleet.database.fetch_all(remove)
    assert len(await fleet.losses.away(9)) == 1  # its run is somebody's matter
    assert (await fleet.losses.hosts()).keys() == {"w"}
    assert len(await fleet.lose()) == 1
    assert await fleet.losses.away(9) == []
    assert await fleet.losses.hosts() == {}


async def test_runs_of_hosts_that_are_known_are_not_another_state_directorys(
    fleet: Fleet,
) -> None:
    await fleet.run()
    assert await fleet.runs.active_elsewhere("server") == 0
    await fleet.database.fetch_all("DELETE FROM workers RETURNING id")
    assert await fleet.runs.active_elsewhere("server") == 1


def test_what_is_said_of_hosts_that_are_away_names_ten() -> None:
    since = datetime(2026, 11, 26, 1, 2, 3, 4, tzinfo=UTC)
    away = [Away("build-1", since, 1), Away("build-2", since, 0)]
    assert said_of([]) == "ok"
    assert said_of(away) == (
        "build-1 is away since 2026-11-26T01:02:03+00:00 with 1 active run;"
        " build-2 is away since 2026-11-26T01:02:03+00:00 with 0 active runs"
    )
    assert said_of(away * 6).endswith("; and further hosts")
    assert said_of(away * 6).count(" is away since ") == 10


async def test_one_that_takes_none_of_its_stops_keeps_none_from_another(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MAX_STOPS", 2)
    known = WorkerRepository(fleet.database)
    runs = sorted([await fleet.run() for _ in range(4)], key=lambda run: run.id)
    move = "UPDATE commands_info SET host = 'x' WHERE id = %(id)s RETURNING id"
    await fleet.database.fetch_all(move, {"id": runs[-1].id})
    for run in runs:
        assert await known.want_stop(run.id, signal="SIGTERM", grace_seconds=1)
    told = await known.stops(["w", "x"])
    assert [(one.host, one.run_id) for one in told] == [
        *(("w", run.id) for run in runs[:2]),
        ("x", runs[-1].id),
    ]
