"""Whom NATS lets in, and what each may say and hear there, as its configuration has it. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.wire import subjects
from server.wire.keys import is_user

HEADING = """\
# Written by `tailrun nats-config`, which writes it anew; nats.conf has: include "{file}"
# With a running nats-server a change counts from SIGHUP on.
"""


class User(NamedTuple):
    """A worker, as NATS is to know it."""

    public_key: str
    host: str
    name: str
    pools: Sequence[str]


def users_file(servers: Iterable[str], workers: Iterable[User], *, file: str) -> str:
    """Return the configuration that lets servers in, by their keys, and workers.

    A key counts once: what has a server's key is no worker, and the older of two workers has it.
    """
    told: dict[str, str] = {}
    for key in servers:
        told.setdefault(_checked(key), f"    {{ nkey: {key}, {of_server()} }}")
    for one in workers:
        # Names are anybody's choice: what stands in a comment is to stay there.
        name = one.name.encode("unicode_escape").decode()
        line = f"    # {name}\n    {{ nkey: {one.public_key}, {of_worker(one.host, one.pools)} }}"
        told.setdefault(_checked(one.public_key), line)
    users = "\n".join(told.values())
    return f"{HEADING.format(file=file)}authorization {{\n  users: [\n{users}\n  ]\n}}\n"


def _checked(key: str) -> str:
    assert is_user(key), "only what is a user's key was enrolled"
    return key


def of_server() -> str:
    """Return what the engine lets a server do: all that is said here."""
    every = f'"{subjects.PREFIX}.>"'
    return f"permissions: {{ publish: {every}, subscribe: {every} }}"


def of_worker(host: str, pools: Iterable[str]) -> str:
    """Let it speak for itself alone, hear what it is asked and answered, and its pools' bells."""
    bells = [name for pool in pools for name in (subjects.bell(pool), subjects.bell_of_all(pool))]
    heard = [subjects.to_any_word(host), f"{subjects.inbox(host)}.>", *bells]
    subscribe = ", ".join(f'"{one}"' for one in heard)
    return (
        f'permissions: {{ publish: "{subjects.of_worker(host)}", subscribe: [{subscribe}],'
        " allow_responses: true }"
    )
