"""What a run is started with, and who is asked for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from server.definition import NO_OPTIONS, Cause, CauseKind, Parameter, ParameterType
from server.models import Run
from server.services.ledger.ledger import StartData
from server.services.ledger.sql import SqlLedger
from tests.support.runs import a_run

FIRST = uuid4()
HOOK = Cause(kind=CauseKind.HOOK, id=uuid4())
RETRY = Cause(kind=CauseKind.RETRY, id=FIRST)
WORD = Parameter(name="WORD", type=ParameterType.SECRET)


class Asked:
    """The tables, which note what they are asked."""

    def __init__(self, body: bytes | None) -> None:
        self.calls: list[tuple[str, UUID]] = []
        self._body = body

    def __getattr__(self, _: str) -> None:
        """Nothing else is of any matter."""

    async def secrets(self, run_id: UUID) -> Mapping[str, str]:
        self.calls.append(("secrets", run_id))
        return {"WORD": "hush"}

    async def body(self, run_id: UUID) -> bytes | None:
        self.calls.append(("body", run_id))
        return self._body


async def asked(run: Run, body: bytes | None = b"sent") -> tuple[StartData, Asked]:
    tables = Asked(body)
    ledger = SqlLedger("host", *[cast("Any", tables)] * 3)
    return await ledger.start_of(run), tables


@pytest.mark.parametrize(
    "cause", [None, Cause(kind=CauseKind.SCHEDULE, id=uuid4()), Cause(kind=CauseKind.RETRY)]
)
async def test_for_most_starts_nobody_is_asked(cause: Cause | None) -> None:
    data, tables = await asked(replace(a_run(), cause=cause))
    assert data == StartData({}, None)
    assert tables.calls == []


async def test_secrets_are_read_in_the_moment_of_the_start() -> None:
    run = replace(a_run(), options=replace(NO_OPTIONS, parameters=(WORD,)))
    data, tables = await asked(run)
    assert data == StartData({"WORD": "hush"}, None)
    assert tables.calls == [("secrets", run.id)]


async def test_a_further_attempt_gets_what_the_hook_of_the_first_was_sent() -> None:
    first, again = replace(a_run(), cause=HOOK), replace(a_run(), cause=RETRY)
    for run, whose in ((first, first.id), (again, FIRST)):
        data, tables = await asked(run)
        assert data == StartData({}, b"sent")
        assert tables.calls == [("body", whose)]


async def test_a_body_that_is_not_there_any_more_is_none() -> None:
    data, _ = await asked(replace(a_run(), cause=HOOK), body=None)
    assert data.body is None
