"""The names that messages are addressed to, and who listens to them. Pure.

    tailrun.v1.s.<host>.<word>   a worker asks the servers; one of them answers
    tailrun.v1.w.<host>.<word>   a server asks a worker
    tailrun.v1.bell.<pool>       a run waits in a pool; one worker that has places wakes
    tailrun.v1.bells.<pool>      the same, for all of them: not each may have the labels
    tailrun.v1.changed           a server tells the others which runs have changed
    tailrun.v1.inbox.<host>.…    answers to what a host has asked, which no other worker may read

Whatever a host or a pool is called, it is one token: all but letters, digits, `-` and `_` is
written as `%` and its code. A worker may publish on the subjects of its own host alone, which the
engine sees to; so the host in a subject is who asks.
"""

from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, unquote

from server.errors import WireError

PREFIX = "tailrun.v1"
CHANGED = f"{PREFIX}.changed"
"""Where servers tell each other which runs have changed."""

SERVERS = "servers"
"""The queue group of the servers: one of them gets what a worker asks."""

IDLE = "idle"
"""The queue group of the workers that have places: one of them hears a bell."""

SERVER_WORDS = frozenset(
    (
        *("hello", "beat", "claim", "start", "get", "append"),
        *("active", "positions", "times", "takeover"),
    )
)
WORKER_WORDS = frozenset(("read", "lines", "marks", "stop", "signal"))
TO_SERVERS, TO_WORKER = "s", "w"
_WORDS = {TO_SERVERS: SERVER_WORDS, TO_WORKER: WORKER_WORDS}


class Asked(NamedTuple):
    """What a subject says: the host that asks, or is asked, and what for."""

    host: str
    word: str


def to_servers(host: str, word: str) -> str:
    """Return where a worker asks the servers for something."""
    assert word in SERVER_WORDS, f"{word} is nothing that servers are asked for"
    return f"{PREFIX}.{TO_SERVERS}.{_token(host)}.{word}"


def to_worker(host: str, word: str) -> str:
    """Return where a server asks a worker for something."""
    assert word in WORKER_WORDS, f"{word} is nothing that workers are asked for"
    return f"{PREFIX}.{TO_WORKER}.{_token(host)}.{word}"


def any_worker_asks(word: str) -> str:
    """Return what servers listen to for something that workers ask for."""
    assert word in SERVER_WORDS, f"{word} is nothing that servers are asked for"
    return f"{PREFIX}.{TO_SERVERS}.*.{word}"


def bell(pool: str) -> str:
    """Return where is told that a run waits in a pool, which one idle worker hears."""
    return f"{PREFIX}.bell.{_token(pool)}"


def bell_of_all(pool: str) -> str:
    """Return where is told that a run waits in a pool, which all idle workers hear."""
    return f"{PREFIX}.bells.{_token(pool)}"


def inbox(host: str) -> str:
    """Return what the subjects begin with on which a host is answered."""
    return f"{PREFIX}.inbox.{_token(host)}"


def is_to_worker(subject: str) -> bool:
    """Return whether a subject is one on which servers ask a worker."""
    return subject.startswith(f"{PREFIX}.{TO_WORKER}.")


def of_worker(host: str) -> str:
    """Return what a worker may ask the servers, whatever the word, as the engine's rules say it."""
    return f"{PREFIX}.{TO_SERVERS}.{_token(host)}.>"


def to_any_word(host: str) -> str:
    """Return what a worker may be asked, whatever the word, as the engine's rules say it."""
    return f"{PREFIX}.{TO_WORKER}.{_token(host)}.>"


def is_answered(asked: str, reply: str) -> bool:
    """Return whether what was asked on a subject is answered on another one.

    On nothing but inboxes, and for a worker on its own: elsewhere an answer would be a request,
    made with the rights of whoever answers.
    """
    match asked.removeprefix(f"{PREFIX}.").split("."):
        case [side, host, _] if side == TO_SERVERS:
            return reply.startswith(f"{PREFIX}.inbox.{host}.")
    return reply.startswith(f"{PREFIX}.inbox.")


def asker(reply: str) -> str:
    """Return who is answered on a subject, by the inbox."""
    return reply.removeprefix(f"{PREFIX}.inbox.").partition(".")[0]


def parse(subject: str) -> Asked:
    """Read a subject of `to_servers` or `to_worker`.

    Raises:
        WireError: it is none.
    """
    start, _, rest = subject.partition(f"{PREFIX}.")
    match rest.split("."):
        case [side, host, word] if not start and host and word in _WORDS.get(side, ()):
            with suppress(UnicodeDecodeError):
                if "\0" not in (name := unquote(host, errors="strict")):  # the database has none
                    return Asked(name, word)
    raise WireError(f"{subject!r} is no subject of this version.")


def _token(text: str) -> str:
    assert text, "hosts and pools have names"
    return quote(text, safe="").replace(".", "%2E").replace("~", "%7E")
