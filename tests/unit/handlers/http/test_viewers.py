"""Who is watching: bounds, and the end of viewers that take nothing any more."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, Never, cast
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from server.access import EVERYBODY, KnownBy, Principal, Watched, Whole
from server.errors import (
    CredentialRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    LimitReachedError,
    TailrunError,
)
from server.handlers.application import build_app
from server.handlers.http import keys
from server.handlers.http.identity.identity import Identity
from server.handlers.http.identity.local import Local
from server.handlers.http.identity.sockdiag import SockDiag
from server.handlers.http.place import REFUSED_SECONDS, Place
from server.handlers.http.viewers import LOOK_SECONDS, UNSEEN_SECONDS, Viewers
from server.services.access.guesses import Guesses
from server.services.access.remembered import Held
from server.settings.groups import Settings, ViewerSettings
from tests.support.waiting import patience

RUN, OTHER = uuid4(), uuid4()
STALL_SECONDS = 15.0
TOKEN = UUID(int=1)
PIPELINE = Principal(name="oidc:ci", known_by=KnownBy.TOKEN, credential=TOKEN)


def bounded(max_viewers: int = 9, max_viewers_per_run: int = 9) -> ViewerSettings:
    return ViewerSettings(
        max_viewers=max_viewers,
        max_viewers_per_run=max_viewers_per_run,
        viewer_stall_seconds=STALL_SECONDS,
    )


class Connection:
    """A transport, its peer, and the request that came over it."""

    def __init__(self) -> None:
        self.sent = 0
        self.taken = 0
        self.said = 0
        self.aborted = False
        self.closed = False
        self.request: Any = SimpleNamespace(transport=self)

    def get_write_buffer_size(self) -> int:
        return self.sent - self.taken

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def outstanding(self) -> int:
        return self.sent - self.taken

    def acknowledged(self) -> int:
        return self.taken

    def received(self) -> int:
        return self.said


class Watching:
    """A Viewers with a task for each viewer, which stays until it is dropped or leaves."""

    def __init__(self, **bounds: int) -> None:
        self.dropped = 0
        self.places: list[Place] = []
        self.viewers = Viewers(
            bounded(**bounds),
            sweep_seconds=0.001,
            on_dropped=self._count,
            peer_of=cast("Any", lambda transport, _: transport),
        )

    def _count(self) -> None:
        self.dropped += 1

    async def enter(
        self,
        connection: Connection,
        run: Watched = RUN,
        principal: Principal = EVERYBODY,
        *,
        told: list[TailrunError] | None = None,
    ) -> "asyncio.Task[None]":
        """Have a viewer; one that can be `told` notes there what it was refused for."""

        async def watch() -> None:
            with self.viewers.admit(run, connection.request, principal) as place:
                self.places.append(place)
                if told is not None:
                    try:
                        with place.refusable():
                            await asyncio.Event().wait()
                    except TailrunError as error:
                        told.append(error)
                await asyncio.Event().wait()  # one that was told is slow to take that

        task = asyncio.create_task(watch())
        await asyncio.sleep(0)
        if task.done():
            task.result()
        return task

    async def leave(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.wait([task])

    def now(self) -> float:
        return asyncio.get_running_loop().time()


async def test_viewers_are_bounded_in_all() -> None:
    watching = Watching(max_viewers=2)
    first, second = [await watching.enter(Connection(), run) for run in (RUN, OTHER)]
    with pytest.raises(LimitReachedError, match="MAX_VIEWERS"):
        await watching.enter(Connection())
    await watching.leave(first)
    third = await watching.enter(Connection())
    assert len(watching.viewers) == 2
    for task in (second, third):
        await watching.leave(task)
    assert len(watching.viewers) == 0


async def test_viewers_of_a_run_are_bounded() -> None:
    watching = Watching(max_viewers_per_run=1)
    first, other = await watching.enter(Connection()), await watching.enter(Connection(), OTHER)
    with pytest.raises(LimitReachedError, match="MAX_VIEWERS_PER_RUN"):
        await watching.enter(Connection())
    await watching.leave(first)
    again = await watching.enter(Connection())
    for task in (again, other):
        await watching.leave(task)


async def test_who_listens_to_events_takes_no_place_from_who_watches() -> None:
    watching = Watching(max_viewers=1)
    listener = await watching.enter(Connection(), Whole.EVENTS)
    viewer = await watching.enter(Connection())
    with pytest.raises(LimitReachedError, match=r"of the events .*MAX_VIEWERS is 1"):
        await watching.enter(Connection(), Whole.EVENTS)
    for watched in (OTHER, Whole.AUDIT):
        with pytest.raises(LimitReachedError, match="No more viewers are served"):
            await watching.enter(Connection(), watched)
    await watching.leave(viewer)
    with pytest.raises(LimitReachedError, match="viewers of the events"):
        await watching.enter(Connection(), Whole.EVENTS)
    reader = await watching.enter(Connection(), Whole.AUDIT)
    await watching.leave(listener)
    again = await watching.enter(Connection(), Whole.EVENTS)
    for task in (reader, again):
        await watching.leave(task)


class Arrivals:
    """Runs that are watched without an end, by viewers of whom `count` come at once."""

    def __init__(self, count: int) -> None:
        self._awaited = count
        self._all = asyncio.Event()

    async def get(self, run_id: UUID) -> object:
        """Let a viewer in as far as its handshake, once the last one has come this far."""
        self._awaited -= 1
        if not self._awaited:
            self._all.set()
        await self._all.wait()
        return SimpleNamespace(run=SimpleNamespace(id=run_id, command_id=run_id))

    async def watch(self, *_: object, **__: object) -> AsyncGenerator[Never, None]:
        """Have nothing to tell, for ever."""
        await asyncio.Event().wait()
        return
        yield


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # as outside of tests
@pytest.mark.parametrize("bound", ["max_viewers", "max_viewers_per_run"])
async def test_of_viewers_that_come_at_once_those_beyond_the_bound_are_refused(bound: str) -> None:
    """By the first frame: browsers cannot read a status."""
    count = 5
    arrivals = Arrivals(count)
    viewers = Viewers(
        bounded(**{bound: 1}),
        on_dropped=lambda: None,
    )
    app = build_app(Settings())
    local = Local({}, SockDiag().uid_of, over_tcp=False)
    app[keys.IDENTITY] = Identity("off", app[keys.ADDRESSES], local, Guesses())
    app[keys.RUNS] = app[keys.WATCHING] = cast("Any", arrivals)
    app[keys.VIEWERS] = viewers
    app[keys.HOST_OF] = lambda _: None
    app.on_shutdown.append(viewers.close)
    async with TestClient(TestServer(app)) as client, patience():
        path = f"/api/v1/runs/{RUN}/ws?format=json"
        streams = await asyncio.gather(*(client.ws_connect(path) for _ in range(count)))
        first = [asyncio.create_task(stream.receive_json()) for stream in streams]
        while sum(task.done() for task in first) < count - 1:
            await asyncio.wait(
                [task for task in first if not task.done()], return_when=asyncio.FIRST_COMPLETED
            )
        refused = [task.result() for task in first if task.done()]
        assert [(frame["type"], frame["status"]) for frame in refused] == [("refused", 503)] * 4
        for task in first:
            task.cancel()


async def test_a_viewer_that_is_gone_already_is_not_counted() -> None:
    watching = Watching()
    connection = Connection()
    connection.request.transport = None
    with pytest.raises(ConnectionError):
        await watching.enter(connection)
    assert len(watching.viewers) == 0


async def test_a_viewer_that_takes_nothing_is_dropped_once() -> None:
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    connection.sent, start = 100_000, watching.now()
    for seconds in range(1, 15):
        watching.viewers.sweep(start + seconds)
        assert not connection.aborted
    watching.viewers.sweep(start + 16.1)
    assert connection.aborted
    await asyncio.wait([task])
    assert task.cancelled()
    watching.viewers.sweep(start + 99)
    assert (watching.dropped, len(watching.viewers)) == (1, 0)


async def test_a_viewer_that_has_nothing_to_take_stays() -> None:
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    for hours in range(9):
        watching.viewers.sweep(watching.now() + 3600 * hours)
    assert not connection.aborted
    await watching.leave(task)


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60))
def test_only_who_takes_nothing_of_what_waits_is_dropped(steps: list[tuple[int, int]]) -> None:
    """However little it takes, and however far it is behind."""

    async def scenario() -> None:
        watching, connection = Watching(), Connection()
        task = await watching.enter(connection)
        start, nothing = watching.now(), 0
        for second, (sent, taken) in enumerate(steps):
            connection.sent += sent
            took = min(connection.sent - connection.taken, taken)
            connection.taken += took
            watching.viewers.sweep(start + second)
            nothing = 0 if took or connection.sent == connection.taken else nothing + 1
            if nothing >= STALL_SECONDS + 1:
                break
        if connection.aborted:
            assert nothing >= STALL_SECONDS
        assert connection.aborted or nothing <= STALL_SECONDS
        await watching.leave(task)

    asyncio.run(scenario())


async def test_one_that_never_answers_the_close_frame_is_let_go_uncounted() -> None:
    """Once it has taken everything; while it takes, it is waited for."""
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    watching.places[0].closing = True
    connection.sent, start = 1000, watching.now()
    for second in range(100):
        connection.taken += 10
        watching.viewers.sweep(start + second)
        assert not connection.is_closing()
    watching.viewers.sweep(start + 99 + STALL_SECONDS)
    assert (connection.closed, connection.aborted, watching.dropped) == (True, False, 0)
    await asyncio.wait([task])
    assert task.cancelled()


async def test_one_that_floods_is_cut_off() -> None:
    """In frames of any kind; what it says in a second is bounded, not what it says in a day."""
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    watching.places[0].websocket = cast("Any", object())
    for second in range(100):
        connection.said += 50_000
        watching.viewers.sweep(watching.now() + second)
        assert not connection.aborted
    connection.said += 10_000_000
    watching.viewers.sweep(watching.now() + 100)
    assert connection.aborted
    await asyncio.wait([task])


async def test_a_viewer_whose_connection_closes_is_let_go_uncounted() -> None:
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    connection.abort()
    watching.viewers.sweep(watching.now())
    await asyncio.wait([task])
    assert task.cancelled()
    assert watching.dropped == 0


async def test_sweeping_goes_on_for_ever() -> None:
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection)
    sweeping = asyncio.create_task(watching.viewers.watch())
    await asyncio.sleep(0)
    connection.abort()
    async with patience():
        await asyncio.wait([task])
    sweeping.cancel()
    await asyncio.wait([sweeping])
    assert sweeping.cancelled()


class Rights:
    """Whether who watches may go on, and how often that was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Watched]] = []
        self.answer = Held(value=True, stale=False)
        self.is_away = False

    async def may_watch(self, principal: Principal, run: Watched) -> Held[bool]:
        self.asked.append((principal.name, run))
        if self.is_away:
            raise DatabaseUnavailableError("away")
        return self.answer


async def test_the_right_to_watch_is_looked_at_again_and_once_for_those_who_share_it() -> None:
    watching, rights = Watching(), Rights()
    alike = [await watching.enter(Connection(), principal=PIPELINE) for _ in range(3)]
    others = [await watching.enter(Connection(), OTHER, PIPELINE)]
    others.append(await watching.enter(Connection()))
    start = watching.now()
    await watching.viewers.look_again(start + LOOK_SECONDS - 1, rights.may_watch)
    assert not rights.asked
    for again in (1, 2):
        await watching.viewers.look_again(start + again * (LOOK_SECONDS + 1), rights.may_watch)
        assert len(rights.asked) == 3 * again
    assert {*rights.asked} == {("oidc:ci", RUN), ("oidc:ci", OTHER), ("everybody", RUN)}
    watching.viewers.look_soon()
    await watching.viewers.look_again(watching.now(), rights.may_watch)
    assert len(rights.asked) == 9
    for task in [*alike, *others]:
        await watching.leave(task)


async def test_a_viewer_whose_right_is_lost_is_told_so_or_cut_off() -> None:
    watching, rights, told = Watching(), Rights(), list[TailrunError]()
    told_one, cut = Connection(), Connection()
    telling = await watching.enter(told_one, principal=PIPELINE, told=told)
    cutting = await watching.enter(cut, principal=PIPELINE)
    rights.answer = Held(value=False, stale=False)
    start = watching.now() + LOOK_SECONDS
    await watching.viewers.look_again(start + 1, rights.may_watch)
    await asyncio.wait([cutting])
    assert cut.aborted
    [error] = told
    assert isinstance(error, ForbiddenError)
    assert not told_one.aborted
    watching.viewers.sweep(start + 1 + REFUSED_SECONDS)
    assert told_one.aborted
    await asyncio.wait([telling])
    assert len(watching.viewers) == 0


async def test_what_a_credential_opened_ends_with_it_at_once() -> None:
    watching, told = Watching(), list[TailrunError]()
    session = Principal(name="oidc:ci", known_by=KnownBy.SESSION, credential=UUID(int=2))
    ticket = Principal(
        name="oidc:ci", known_by=KnownBy.TICKET, credential=TOKEN, ticket_of=KnownBy.TOKEN
    )
    going = [await watching.enter(Connection(), principal=PIPELINE, told=told)]
    going.append(await watching.enter(Connection(), principal=ticket, told=told))
    staying = await watching.enter(Connection(), principal=session, told=told)
    watching.viewers.end(TOKEN)
    await asyncio.sleep(0)
    assert len(told) == 2
    watching.viewers.end(TOKEN)  # again: they know
    await asyncio.sleep(0)
    assert len(told) == 2
    assert not staying.done()
    for task in [*going, staying]:
        await watching.leave(task)


async def test_a_request_that_was_on_its_way_when_its_credential_ended_opens_nothing() -> None:
    watching = Watching()
    watching.viewers.end(TOKEN)
    with pytest.raises(CredentialRefusedError):
        await watching.enter(Connection(), principal=PIPELINE)
    await watching.leave(await watching.enter(Connection()))


async def test_while_the_database_is_away_a_viewer_goes_on_for_ten_minutes() -> None:
    """Whether nothing is known, or what was known before."""
    watching, rights, told = Watching(), Rights(), list[TailrunError]()
    tasks = [await watching.enter(Connection(), run, PIPELINE, told=told) for run in (RUN, OTHER)]
    start = watching.now()
    rights.is_away = True
    await watching.viewers.look_again(start + LOOK_SECONDS + 1, rights.may_watch)
    assert len(rights.asked) == 1  # one has waited for the database, the other need not
    rights.is_away, rights.answer = False, Held(value=True, stale=True)
    await watching.viewers.look_again(start + UNSEEN_SECONDS - 1, rights.may_watch)
    await asyncio.sleep(0)
    assert not told
    rights.is_away = True
    await watching.viewers.look_again(start + UNSEEN_SECONDS + LOOK_SECONDS, rights.may_watch)
    await asyncio.sleep(0)
    assert [type(error) for error in told] == [DatabaseUnavailableError] * 2
    for task in tasks:
        await watching.leave(task)


async def test_a_viewer_that_leaves_as_it_is_refused_just_leaves() -> None:
    watching, told = Watching(), list[TailrunError]()
    task = await watching.enter(Connection(), principal=PIPELINE, told=told)
    watching.viewers.end(TOKEN)
    await watching.leave(task)
    assert task.cancelled()
    assert not told


async def test_a_viewer_that_leaves_while_its_right_is_looked_at_is_not_cut_off() -> None:
    """Its connection may serve the next request by then."""
    watching, connection = Watching(), Connection()
    task = await watching.enter(connection, principal=PIPELINE)

    async def leaves(_principal: Principal, _run: Watched) -> Held[bool]:
        await watching.leave(task)
        return Held(value=False, stale=False)

    await watching.viewers.look_again(watching.now() + LOOK_SECONDS + 1, leaves)
    assert not connection.aborted


async def test_looking_at_rights_goes_on_for_ever() -> None:
    watching, rights, connection = Watching(), Rights(), Connection()
    rights.answer = Held(value=False, stale=False)
    task = await watching.enter(connection, principal=PIPELINE)
    looking = asyncio.create_task(watching.viewers.watch_rights(rights.may_watch))
    watching.viewers.look_soon()
    async with patience():
        await asyncio.wait([task])
    assert connection.aborted
    looking.cancel()
    await asyncio.wait([looking])
