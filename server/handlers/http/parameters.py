"""What handlers read from a request, beyond what the schemas check."""

import hashlib
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar
from uuid import UUID

import orjson
from aiohttp import web

from server.access import DEFAULT_GROUP, EVERY_GROUP, Actor, Right
from server.errors import (
    CommandNotFoundError,
    GrantNotFoundError,
    HookNotFoundError,
    NotFoundError,
    RunNotFoundError,
    ScheduleNotFoundError,
    TargetNotFoundError,
    TokenNotFoundError,
)
from server.handlers.http.keys import ACTOR, PRINCIPAL
from server.handlers.http.operation import Header
from server.handlers.http.problems import InvalidInputError, shown
from server.models import RequestKey

Value = TypeVar("Value")

IDEMPOTENCY_KEY = "Idempotency-Key"
LATER: Mapping[str, object] = {
    "group": DEFAULT_GROUP,
    "run_as": None,
    "key": None,
    "options": {},
    "values": {},
}
"""What a request could not name before, and what that was."""

KEY = re.compile(r"[!-~]{1,255}")

REPEATABLE = Header(
    IDEMPOTENCY_KEY,
    "1 to 255 visible ASCII characters of the client's choice. A request that comes"
    " again with the same key within 24 hours makes nothing: it gets the first answer's command and"
    " run, and the header `Idempotent-Replayed: true`.",
    errors=(404, 422),  # what it made before may be deleted by now
)


def body(request: web.Request, _of: type[Value]) -> Value:
    """Return the body as its schema has loaded it."""
    value: Value = request["json"]
    return value


def query(request: web.Request, _of: type[Value]) -> Value:
    """Return the query's parameters as their schema has loaded them."""
    value: Value = request["querystring"]
    return value


def actor(request: web.Request) -> Actor:
    """Return who acts, and from where."""
    return request[ACTOR]


def is_repeatable(request: web.Request) -> bool:
    """Return whether a request says how to know it again."""
    return IDEMPOTENCY_KEY in request.headers


def request_key(
    request: web.Request,
    fields: Mapping[str, object],
    *,
    values: Mapping[str, object] | None = None,
    secrets: AbstractSet[str] = frozenset(),
) -> RequestKey | None:
    """Return what identifies the request when it comes again; None without an Idempotency-Key.

    Of the values those of `secrets` do not count: what is stored of a request outlives its run,
    and whoever reads it could guess them.

    Raises:
        InvalidInputError: the key is none.
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise InvalidInputError({IDEMPOTENCY_KEY: ["Give 1 to 255 visible ASCII characters."]})
    principal = request[PRINCIPAL]
    if not principal.may(Right.GOVERN, EVERY_GROUP):
        # Nobody learns of others' keys. No key has a blank in it, so these are apart from those of
        # the admins, who see everything, and from those of the versions before there were any.
        key = f"{principal.name} {key}"
    # Of the fields as they were loaded: their order and form in the body do not matter. What could
    # not be named before is left out where it is as it was, or no key would outlast an upgrade.
    if values is not None:
        counted = {name: value for name, value in values.items() if name not in secrets}
        fields = {**fields, "values": counted}
    named = {
        name: value for name, value in fields.items() if name not in LATER or LATER[name] != value
    }
    for name in {"options", "values"} & named.keys():
        # They may have numbers, and values halves of characters, that orjson does not take.
        named[name] = json.dumps(named[name], sort_keys=True)
    asked = orjson.dumps([request.path, named], option=orjson.OPT_SORT_KEYS)
    return RequestKey(key, hashlib.sha256(asked).digest())


def command_id(request: web.Request) -> UUID:
    """Return the command's id in the path."""
    return _id(request, "command", CommandNotFoundError)


def run_id(request: web.Request) -> UUID:
    """Return the run's id in the path."""
    return _id(request, "run", RunNotFoundError)


def schedule_id(request: web.Request) -> UUID:
    """Return the schedule's id in the path."""
    return _id(request, "schedule", ScheduleNotFoundError)


def token_id(request: web.Request) -> UUID:
    """Return the token's id in the path."""
    return _id(request, "token", TokenNotFoundError)


def hook_id(request: web.Request) -> UUID:
    """Return the hook's id in the path."""
    return _id(request, "hook", HookNotFoundError)


def grant_id(request: web.Request) -> UUID:
    """Return the grant's id in the path."""
    return _id(request, "grant", GrantNotFoundError)


def target_id(request: web.Request) -> UUID:
    """Return the notification target's id in the path."""
    return _id(request, "notification target", TargetNotFoundError)


def _id(request: web.Request, thing: str, error: type[NotFoundError]) -> UUID:
    text = request.match_info["id"]
    try:
        value = UUID(text)
    except ValueError:
        value = None
    # UUID() also takes braces, `urn:uuid:` and no hyphens: a run has one path, and not several.
    if value is None or str(value) != text.lower():
        raise error(f"There is no {thing} {shown(text)}; ids are UUIDs such as those of the list.")
    return value
