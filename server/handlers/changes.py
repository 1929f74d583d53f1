"""What a client changes of a command, and what it may send back as it was told."""

from collections.abc import Mapping
from datetime import datetime

from aiohttp import web

from server.handlers.http.parameters import body
from server.handlers.http.problems import InvalidInputError
from server.handlers.schemas import COMPARED
from server.models import CommandChange


def command_change(request: web.Request) -> CommandChange:
    """Return what the body changes of a command; a field that it does not name stays."""
    fields = body(request)
    return CommandChange(
        name=fields.get("name"),
        script=fields.get("script"),
        description=fields.get("description"),
        keep_description="description" not in fields,
    )


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
