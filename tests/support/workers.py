"""Hosts that have a row among the workers, as if they had been let in."""

from collections.abc import Sequence

from server.repositories.database.database import Database

ADD = """
    INSERT INTO workers (
        id, role, name, version, pools, labels, places, first_seen_at, seen_at, lease_until
    )
    VALUES (
        %(id)s, %(role)s, %(name)s, '1', %(pools)s::text[], %(labels)s::text[], %(places)s, now(),
        now(), now() + make_interval(secs => %(lease)s)
    )
    ON CONFLICT (id) DO UPDATE SET places = excluded.places
    RETURNING id
"""

SILENT = """
    UPDATE workers SET seen_at = now() - make_interval(secs => %(seconds)s),
        lease_until = now() + make_interval(secs => %(lease)s - %(seconds)s)
    WHERE id = %(id)s RETURNING id
"""


async def add_worker(
    database: Database,
    host: str,
    *,
    pools: Sequence[str] = ("build",),
    labels: Sequence[str] = (),
    places: int = 100,
    role: str = "worker",
    name: str | None = None,
    lease_seconds: float = 30,
) -> None:
    """Let a worker in that has just been heard of."""
    parameters = {
        "id": host,
        "role": role,
        "name": name or host,
        "pools": list(pools),
        "labels": list(labels),
        "places": places,
        "lease": lease_seconds,
    }
    await database.fetch_all(ADD, parameters)


async def silence(
    database: Database, host: str, seconds: float, *, lease_seconds: float = 30
) -> None:
    """Have it so that a host was heard of for the last time so many seconds ago."""
    parameters = {"id": host, "seconds": seconds, "lease": lease_seconds}
    await database.fetch_all(SILENT, parameters)
