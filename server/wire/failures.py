"""How an error travels: the names of its kinds, the closest first, and what it says. Pure."""

from collections.abc import Iterator

from server.errors import (
    DatabaseUnavailableError,
    OtherHostFailedError,
    TailrunError,
    WireError,
)
from server.wire.codec import Parts

KINDS, SAID = "error", "said"


def failure(error: TailrunError) -> Parts:
    """Return what is answered in the place of an answer."""
    lineage = [one for one in type(error).__mro__ if issubclass(one, TailrunError)]
    return Parts({KINDS: [one.__name__ for one in lineage], SAID: _said(error)})


def raise_failure(parts: Parts) -> None:
    """Raise the error that was answered, if one was: of the closest kind that is known here.

    Raises:
        TailrunError: one was.
    """
    if KINDS not in parts.head:
        return
    kinds, said = parts.head[KINDS], parts.head.get(SAID)
    if not isinstance(kinds, list) or not isinstance(said, str):
        raise WireError("An error that was answered is none.")
    known = {kind.__name__: kind for kind in _kinds(TailrunError)}
    kind = next((known[name] for name in kinds if name in known), OtherHostFailedError)
    error = kind.__new__(kind, said)  # some have a message of their own, and take none
    error.args = (said,)
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
