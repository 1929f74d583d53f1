"""How an error travels: the names of its kinds, the closest first, and what it says. Pure."""

from collections.abc import Iterable, Iterator

from server.errors import (
    DatabaseUnavailableError,
    KeeperUnavailableError,
    NoActiveRunError,
    OtherHostFailedError,
    RunNotFollowedError,
    TailrunError,
    WireError,
)
from server.wire.codec import Parts
from server.wire.texts import line

KINDS, SAID = "error", "said"

OF_WORKERS = (
    RunNotFollowedError,
    NoActiveRunError,
    KeeperUnavailableError,
    DatabaseUnavailableError,
    WireError,
    OtherHostFailedError,
)
"""The kinds that a worker answers. It may be stolen: that somebody is not signed in, or whatever
else is for servers to say, no server says because a worker does."""

SAID_CHARACTERS = 2000
"""Of what an error says, at most: it is logged, and shown to users."""


def failure(error: TailrunError) -> Parts:
    """Return what is answered in the place of an answer."""
    lineage = [one for one in type(error).__mro__ if issubclass(one, TailrunError)]
    return Parts({KINDS: [one.__name__ for one in lineage], SAID: _said(error)})


def raise_failure(parts: Parts, kinds: Iterable[type[TailrunError]] | None = None) -> None:
    """Raise the error that was answered, if one was: of the closest of these kinds.

    `kinds` None: of all that are known here. What is of none of them is raised as that of a host
    that failed. What it says is one line.

    Raises:
        TailrunError: one was.
    """
    if KINDS not in parts.head:
        return
    names, said = parts.head[KINDS], parts.head.get(SAID)
    if not isinstance(names, list) or not isinstance(said, str):
        raise WireError("An error that was answered is none.")
    known = {kind.__name__: kind for kind in kinds or _kinds(TailrunError)}
    told = [known[name] for name in names if isinstance(name, str) and name in known]
    kind = told[0] if told else OtherHostFailedError
    text = line(said, SAID_CHARACTERS)
    error = kind.__new__(kind, text)  # some have a message of their own, and take none
    error.args = (text,)
    raise error


def _said(error: TailrunError) -> str:
    """Return what another host may read: where the database is, and what it holds, is not that."""
    if isinstance(error, DatabaseUnavailableError):
        return type(error).__doc__ or ""
    return str(error)


def _kinds(kind: type[TailrunError]) -> Iterator[type[TailrunError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)
