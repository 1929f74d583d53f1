"""What identifies a request that comes again."""

import hashlib
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import make_mocked_request

from server.access import EVERYBODY, KnownBy, Principal, Role
from server.handlers.http.keys import PRINCIPAL
from server.handlers.http.parameters import request_key
from server.handlers.schemas.commands import NewCommandBody
from server.models import RequestKey

PATH = "/api/v1/commands/"
FIRST = {"name": "n", "description": None, "script": "s", "start": True}
"""The fields of a request before there were groups; a key was of these."""


def somebody(name: str, role: Role = Role.EDITOR) -> Principal:
    return Principal(name=name, known_by=KnownBy.TOKEN, grants={"*": role})


def key_of(principal: Principal, key: str = "k", **fields: object) -> RequestKey:
    """Return what identifies a request for a new command."""
    request = make_mocked_request("POST", PATH, headers={"Idempotency-Key": key})
    request[PRINCIPAL] = principal
    asked: dict[str, Any] = {"name": "n", "script": "s", **fields}
    found = request_key(request, asdict(NewCommandBody().load(asked)))
    assert found is not None
    return found


def test_a_key_of_the_version_before_is_known_again() -> None:
    before = hashlib.sha256(orjson.dumps([PATH, FIRST], option=orjson.OPT_SORT_KEYS)).digest()
    assert key_of(EVERYBODY) == RequestKey("k", before)
    assert key_of(EVERYBODY, group="default", run_as=None) == RequestKey("k", before)


@pytest.mark.parametrize("fields", [{"group": "web"}, {"run_as": "alice"}, {"start": False}])
def test_another_request_is_told_from_the_first(fields: dict[str, Any]) -> None:
    assert key_of(EVERYBODY, **fields).fingerprint != key_of(EVERYBODY).fingerprint


def test_keys_of_two_principals_are_two() -> None:
    """A blank parts name and key, and no key has one: there are no two ways to read one."""
    keys = {
        key_of(principal, key).key
        for principal in [EVERYBODY, somebody("a"), somebody("a b"), somebody("b")]
        for key in ["k", "a", "b"]
    }
    assert len(keys) == 12
    assert key_of(somebody("c", Role.ADMIN)).key == key_of(EVERYBODY).key == "k"
