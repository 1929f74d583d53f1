"""What is made of somebody whom the database, being away, was not asked about."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from server.access import EVERY_GROUP, KnownBy, Principal, Role, Whole
from server.services.access.viewer_rights import ViewerRights

TOKEN = UUID(int=1)


@pytest.mark.parametrize(("role", "expected"), [(Role.ADMIN, True), (Role.EDITOR, False)])
@pytest.mark.parametrize("stale", [False, True])
async def test_a_reader_of_the_audit_loses_no_right_by_an_outage(
    role: Role, *, expected: bool, stale: bool
) -> None:
    async def look_again(credential: UUID) -> Principal:
        assert credential == TOKEN
        return Principal(
            name="oidc:ci", known_by=KnownBy.TOKEN, grants={EVERY_GROUP: role}, stale=stale
        )

    tokens = cast("Any", SimpleNamespace(look_again=look_again))
    nothing = cast("Any", None)
    rights = ViewerRights(tokens, nothing, nothing, nothing)
    asking = Principal(name="oidc:ci", known_by=KnownBy.TOKEN, credential=TOKEN)
    assert await rights.may_watch(asking, Whole.AUDIT) == (expected, stale)
    assert await rights.may_watch(asking, uuid4()) == (True, stale)
