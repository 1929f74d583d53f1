"""Notifications and their targets over HTTP: what is asked for, and answered."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields, validate, validates_schema

from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, StrictSchema
from server.notifications import (
    NotificationFilter,
    NotificationState,
    TargetChange,
    TargetType,
)

URL_CHARACTERS = 2000
SECRET_CHARACTERS = 100
URL = {
    "description": "of a webhook, by https or http; of Apprise: as its documentation says, for mail"
    " and many a chat. It is never shown again",
    "example": "https://[2001:db8::1]/hooks/tailrun",
}
SECRET = {
    "description": "what a webhook's messages are signed with: `whsec_` and base64; without it one"
    " is made",
    "example": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTargetAsked:
    """A target that is to be made."""

    name: str
    type: TargetType
    url: str
    secret: str | None


def _url(**options: Any) -> fields.String:
    return fields.String(
        **options,
        validate=[
            validate.Length(min=1, max=URL_CHARACTERS),
            texts.one_line,
            texts.encodable,
            texts.storable,
        ],
        metadata=URL,
    )


def _secret() -> fields.String:
    return fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(max=SECRET_CHARACTERS), texts.encodable, texts.storable],
        metadata=SECRET,
    )


class NewTargetBody(StrictSchema):
    """A new target."""

    value = NewTargetAsked

    name = texts.name(required=True, example="ops chat")
    type = fields.Enum(
        TargetType,
        by_value=fields.String,
        load_default=TargetType.WEBHOOK,
        metadata={"description": "how it is told", "example": "webhook"},
    )
    url = _url(required=True)
    secret = _secret()


class TargetPatchBody(StrictSchema):
    """What is to be changed of a target."""

    value = TargetChange

    name = texts.name(load_default=None, example="ops chat")
    url = _url(load_default=None)
    secret = _secret()

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if all(value is None for value in data.values()):
            raise ValidationError("Give name, url or secret.")


class TargetSchema(AnswerSchema):
    """A target, without its URL and its secret."""

    id = fields.UUID()
    name = fields.String(metadata={"description": "what commands call it"})
    type = fields.Enum(TargetType, by_value=fields.String)
    address = fields.String(metadata={"description": "what may be shown of its URL"})
    created_at = fields.DateTime(format="iso")
    created_by = fields.String(metadata={"description": "the principal who made it"})
    updated_at = fields.DateTime(format="iso")


class NewTargetSchema(TargetSchema):
    """A new target, with the secret of a webhook."""

    secret = fields.String(
        allow_none=True, metadata={"description": "which is shown this once; null: it has none"}
    )


class TargetsSchema(AnswerSchema):
    """All targets."""

    items = fields.List(fields.Nested(TargetSchema))


class TrialSchema(AnswerSchema):
    """What came of a test."""

    delivered = fields.Boolean()
    error = fields.String(
        allow_none=True, metadata={"description": "why it was not delivered, for people"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsAsked(PageAsked):
    """Which page of which notifications."""

    notifications: NotificationFilter


def _asked(
    *,
    limit: int,
    cursor: str | None,
    command_id: UUID | None,
    run_id: UUID | None,
    target: str | None,
    state: NotificationState | None,
) -> NotificationsAsked:
    asked = NotificationFilter(command_id=command_id, run_id=run_id, target=target, state=state)
    return NotificationsAsked(limit=limit, cursor=cursor, notifications=asked)


class NotificationsQuery(PageQuery):
    """Which notifications."""

    value = _asked

    command_id = fields.UUID(load_default=None, metadata={"description": "only of this command"})
    run_id = fields.UUID(load_default=None, metadata={"description": "only of this run"})
    target = fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable],
        metadata={"description": "only to the target of this name"},
    )
    state = fields.Enum(
        NotificationState,
        by_value=fields.String,
        load_default=None,
        metadata={"description": "only those of which this became"},
    )


class NotificationSchema(AnswerSchema):
    """A notification."""

    id = fields.UUID()
    created_at = fields.DateTime(format="iso")
    command_id = fields.UUID()
    run_id = fields.UUID(allow_none=True)
    target = fields.String(metadata={"description": "the name of the target"})
    occasion = fields.String(metadata={"example": "failed"})
    state = fields.Enum(NotificationState, by_value=fields.String)
    attempts = fields.Integer(metadata={"description": "how often it was sent, or tried to be"})
    next_try_at = fields.DateTime(
        format="iso", allow_none=True, metadata={"description": "null: it is tried no more"}
    )
    last_error = fields.String(
        allow_none=True, metadata={"description": "why the last attempt failed, for people"}
    )
    delivered_at = fields.DateTime(format="iso", allow_none=True)
    given_up_at = fields.DateTime(format="iso", allow_none=True)


class NotificationPageSchema(AnswerSchema):
    """A page of notifications."""

    items = fields.List(fields.Nested(NotificationSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
