"""The audit over HTTP: which entries are asked for, and what is answered of them."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from marshmallow import fields

from server.access import Act, AuditAsked
from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPageAsked(PageAsked):
    """Which page of which entries."""

    entries: AuditAsked


def _asked(*, limit: int, cursor: str | None, **entries: Any) -> AuditPageAsked:
    return AuditPageAsked(limit=limit, cursor=cursor, entries=AuditAsked(**entries))


class AuditQuery(PageQuery):
    """Which entries."""

    value = _asked

    principal = fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable],
        metadata={"description": "only of this one, such as local:alice"},
    )
    act = fields.Enum(
        Act,
        by_value=fields.String,
        load_default=None,
        metadata={"description": "only this act"},
    )
    command_id = fields.UUID(load_default=None, metadata={"description": "only of this command"})
    run_id = fields.UUID(load_default=None, metadata={"description": "only of this run"})
    since = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={"description": "of this moment or later; without a zone it is UTC"},
    )
    until = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={"description": "before this moment"},
    )


class AuditEntrySchema(AnswerSchema):
    """An act on record."""

    id = fields.Integer()
    at = fields.DateTime(format="iso", metadata={"description": "by the clock of the server"})
    principal = fields.String(metadata={"description": "who", "example": "local:alice"})
    known_by = fields.String(metadata={"description": "how that was known", "example": "token"})
    address = fields.String(metadata={"description": "where the request came from"})
    act = fields.String(metadata={"example": "command.start"})
    command_id = fields.UUID(allow_none=True)
    run_id = fields.UUID(allow_none=True)
    script_sha256 = fields.String(
        allow_none=True, metadata={"description": "of the script that the act is about, in hex"}
    )
    outcome = fields.String(metadata={"description": "done, refused or failed"})
    details = fields.Dict(
        keys=fields.String(), metadata={"description": "what else there is to say; of some acts"}
    )


class AuditPageSchema(AnswerSchema):
    """A page of the audit."""

    items = fields.List(fields.Nested(AuditEntrySchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
