"""What enrolment gave a worker stays, whatever is said of it, also by servers of before."""

from server.repositories.database.database import Database
from server.repositories.enrolments import EnrolmentRepository, Newcomer, Place
from server.repositories.workers import WorkerRepository
from tests.support.access import BY

PLACE = Place(pools=("build",), labels=("arch=arm64",), places=3)
NEWCOMER = Newcomer(id="w", name="one", version="1", public_key="UKEY")

HELLO_OF_BEFORE = """
    INSERT INTO workers AS w
        (id, name, version, pools, labels, places, first_seen_at, seen_at, lease_until)
    VALUES ('w', 'one', '2', '{}', '{}', 100, now(), now(), now() + interval '30 s')
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, version = excluded.version, pools = excluded.pools,
        labels = excluded.labels, places = excluded.places, seen_at = excluded.seen_at,
        lease_until = excluded.lease_until
    RETURNING w.lease_until > now()
"""


async def test_a_server_of_before_takes_nothing_that_a_worker_was_enrolled_with(
    database: Database,
) -> None:
    """It stores what a worker says of its pools, and one that is enrolled says nothing."""
    enrolments = EnrolmentRepository(database)

    async def enrolled(secret: bytes, place: Place) -> None:
        await enrolments.add_token(secret, place, seconds=60, by=BY)
        token = await enrolments.find_token(secret)
        assert token is not None
        assert await enrolments.enrol(NEWCOMER, token, by=BY)

    async def place() -> Place:
        assert await database.fetch_all(HELLO_OF_BEFORE) == [(True,)]
        [(worker, _)] = await WorkerRepository(database).list()
        assert worker.version == "2", "it was heard"
        return Place(pools=worker.pools, labels=worker.labels, places=worker.places)

    assert await place() == Place(pools=(), labels=(), places=100), "it is not enrolled yet"
    await enrolled(b"first", PLACE)
    assert await place() == PLACE
    [known] = await enrolments.with_keys()
    assert await enrolments.change(known, state=None, pools=["test"], labels=[], places=5, by=BY)
    assert await place() == Place(pools=("test",), labels=(), places=5)
    await enrolled(b"second", PLACE)
    assert await place() == PLACE


async def test_a_server_in_the_state_directory_of_a_worker_has_its_own_pools(
    database: Database,
) -> None:
    enrolments, workers = EnrolmentRepository(database), WorkerRepository(database)
    await enrolments.add_token(b"token", PLACE, seconds=60, by=BY)
    token = await enrolments.find_token(b"token")
    assert token is not None
    assert await enrolments.enrol(NEWCOMER, token, by=BY)
    heard = await workers.hello_of_server(
        "w", name="one", version="1", pools=("docs",), labels=(), places=7, lease_seconds=30
    )
    server = heard.worker
    assert (server.role, server.pools, server.labels, server.places) == ("server", ("docs",), (), 7)
