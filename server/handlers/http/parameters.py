"""What handlers read from a request, beyond what the schemas check."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from server.errors import CommandNotFoundError, NotFoundError, RunNotFoundError
from server.handlers.http.problems import InvalidInputError, shown
from server.handlers.render import version_of
from server.handlers.schemas import COMPARED
from server.models import CommandChange, RequestKey

IDEMPOTENCY_KEY = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,255}")


def body(request: web.Request) -> dict[str, Any]:
    """Return the checked fields of the body."""
    fields: dict[str, Any] = request["json"]
    return fields


def query(request: web.Request) -> dict[str, Any]:
    """Return the checked parameters of the query."""
    fields: dict[str, Any] = request["querystring"]
    return fields


def command_change(request: web.Request) -> CommandChange:
    """Return what the body changes of a command; a field that it does not name stays."""
    fields = body(request)
    return CommandChange(
        name=fields.get("name"),
        script=fields.get("script"),
        description=fields.get("description"),
        keep_description="description" not in fields,
    )


def versions(request: web.Request) -> list[datetime] | None:
    """Return the versions that `If-Match` permits; None when it permits any."""
    tags = request.if_match
    if tags is None or any(tag.value == "*" for tag in tags):
        return None
    found = [version_of(tag.value) for tag in tags if not tag.is_weak]
    return [version for version in found if version is not None]


def compares(fields: Mapping[str, object]) -> bool:
    """Tell whether a body has fields that are only read, and must be as they are."""
    return not COMPARED.isdisjoint(fields)


def refuse_other_values(fields: Mapping[str, object], told: Mapping[str, object]) -> None:
    """Refuse a body whose read-only fields are not as `told` has them.

    Raises:
        InvalidInputError: by field.
    """
    wrong = {
        name: [
            "It cannot be changed. Leave it out."
            if not name.endswith("_truncated")
            else "The text was cut for a list: get the command by itself, and change that."
        ]
        for name in sorted(COMPARED & fields.keys())
        if not _same(fields[name], told[name])
    }
    if wrong:
        raise InvalidInputError(wrong)


def _same(given: object, told: object) -> bool:
    """Tell whether a value is the one told; times may be written otherwise (`Z`)."""
    if given == told:
        return type(given) is type(told)
    try:
        return datetime.fromisoformat(str(given)) == datetime.fromisoformat(str(told))
    except (ValueError, TypeError):
        return False


def request_key(request: web.Request, fields: Mapping[str, object]) -> RequestKey | None:
    """Return what tells the request when it comes again; None where it has no Idempotency-Key.

    Raises:
        InvalidInputError: the key is none.
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise InvalidInputError({IDEMPOTENCY_KEY: ["Give 1 to 255 visible ASCII characters."]})
    asked = orjson.dumps([request.path, fields], option=orjson.OPT_SORT_KEYS)
    return RequestKey(key, hashlib.sha256(asked).digest())


def command_id(request: web.Request) -> UUID:
    """Return the command's id in the path."""
    return _id(request, "command", CommandNotFoundError)


def run_id(request: web.Request) -> UUID:
    """Return the run's id in the path."""
    return _id(request, "run", RunNotFoundError)


def _id(request: web.Request, thing: str, error: type[NotFoundError]) -> UUID:
    text = request.match_info["id"]
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise error(f"There is no {thing} {shown(text)}; ids are UUIDs such as those of the list.")
    return value
