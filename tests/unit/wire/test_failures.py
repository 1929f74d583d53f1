"""How an error travels, and which a server believes a worker."""

import pytest

from server.errors import (
    CredentialRefusedError,
    DatabaseReadOnlyError,
    DatabaseUnavailableError,
    EngineUnavailableError,
    MessageTooLargeError,
    NotSignedInError,
    OtherHostFailedError,
    RunNotFoundError,
    StartupError,
    TailrunError,
    WireError,
)
from server.wire.codec import Parts
from server.wire.failures import KINDS, OF_WORKERS, SAID, SAID_CHARACTERS, failure, raise_failure


@pytest.mark.parametrize("kind", OF_WORKERS)
def test_what_a_worker_could_not_do_is_raised_as_what_it_is(kind: type[TailrunError]) -> None:
    with pytest.raises(kind) as raised:
        raise_failure(failure(kind("No.")), OF_WORKERS)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DatabaseReadOnlyError("No."), DatabaseUnavailableError),
        (MessageTooLargeError("No."), WireError),
    ],
)
def test_of_a_workers_error_the_closest_kind_counts(
    error: TailrunError, kind: type[TailrunError]
) -> None:
    with pytest.raises(kind) as raised:
        raise_failure(failure(error), OF_WORKERS)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "error",
    [
        *(CredentialRefusedError(), NotSignedInError("No."), StartupError("No.")),
        *(RunNotFoundError("No."), EngineUnavailableError("No."), TailrunError("No.")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_for_servers_to_say_no_worker_says(error: TailrunError) -> None:
    with pytest.raises(OtherHostFailedError):
        raise_failure(failure(error), OF_WORKERS)
    with pytest.raises(type(error)):  # a server may
        raise_failure(failure(error))


def test_what_is_said_is_one_line_that_can_be_logged() -> None:
    said = "No.\n2026-11-26 INFO forged\x1b[2J\u202e" + "x" * SAID_CHARACTERS
    with pytest.raises(OtherHostFailedError) as raised:
        raise_failure(Parts({KINDS: [5, [], {}], SAID: said}))
    text = str(raised.value)
    assert text.startswith("No. 2026-11-26 INFO forged [2J x")
    assert len(text) == SAID_CHARACTERS
