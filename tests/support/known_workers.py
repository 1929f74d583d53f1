"""Workers that are known, and runs that they have, without the hosts."""

from collections.abc import Sequence

from tests.support.postgres import execute

ADD = """
    INSERT INTO workers (
        id, role, name, version, pools, labels, places, state, first_seen_at, seen_at, lease_until
    ) VALUES (
        '{name}', 'worker', '{name}', '2.0', '{{{pools}}}', '{{{labels}}}', 4, '{state}', now(),
        now() - interval '90 s', now() + interval '{lease}'
    )
"""
AWAY = "UPDATE workers SET lease_until = now() - interval '60 s' WHERE id = '{name}'"
BACK = "UPDATE workers SET lease_until = now() + interval '1 h' WHERE id = '{name}'"
HAS = """
    UPDATE commands_info SET host = '{name}', state = 'running', start_time = now(), held_at = NULL
    WHERE id = '{run}'
"""


def add_worker(
    database_url: str,
    name: str,
    pools: Sequence[str] = ("build",),
    labels: Sequence[str] = (),
    state: str = "active",
    *,
    away: bool = False,
) -> None:
    """Have a worker known that is there, or was."""
    lists = {"pools": ",".join(pools), "labels": ",".join(labels)}
    lease = "-60 s" if away else "1 h"
    execute(database_url, ADD.format(name=name, **lists, state=state, lease=lease))


def take_back(database_url: str, name: str) -> None:
    """Have a worker be there that was away."""
    execute(database_url, BACK.format(name=name))


def let_go(database_url: str, name: str) -> None:
    """Have a worker be away."""
    execute(database_url, AWAY.format(name=name))


def give_run(database_url: str, run: str, name: str) -> None:
    """Have a worker have a run that waited for one."""
    execute(database_url, HAS.format(run=run, name=name))
