"""Tokens and grants over HTTP: what is asked for, and answered."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from marshmallow import ValidationError, fields, validate

from server.access import DEFAULT_GROUP, GROUP_NAME, Role
from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, StrictSchema
from server.services.access.tokens import MAX_LIFE

PRINCIPAL_CHARACTERS = 255


def role_field() -> "fields.Enum[Role]":
    """Return the field of a role."""
    return fields.Enum(
        Role, by_value=fields.String, required=True, metadata={"example": "operator"}
    )


def group_field() -> fields.String:
    """Return the field of a group, or of every one."""
    return fields.String(
        load_default=DEFAULT_GROUP,
        validate=validate.Regexp(
            re.compile(rf"(?:\*|{GROUP_NAME.pattern})\Z"),
            error="It takes * for every group, or 1 to 63 of a-z, 0-9, `.`, `_` and `-`, with a"
            " letter or digit first.",
        ),
        metadata={
            "description": "a group of commands, or * for every one",
            "example": DEFAULT_GROUP,
        },
    )


def _within_bounds(moment: datetime) -> None:
    now = datetime.now(UTC)
    if moment <= now:
        raise ValidationError("It has passed. Give a time to come.")
    if moment > now + MAX_LIFE:
        raise ValidationError(f"A token is good for {MAX_LIFE.days} days at most.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokenAsked:
    """A token that is to be made; without `expires_at` it ends after the default time."""

    name: str
    role: Role
    group: str
    expires_at: datetime | None


class NewTokenBody(StrictSchema):
    """A new token."""

    value = NewTokenAsked

    name = texts.name(required=True, example="nightly build")
    role = role_field()
    group = group_field()
    expires_at = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        validate=_within_bounds,
        metadata={
            "description": "with its offset from UTC; 90 days from now by default, 366 at most",
            "example": None,  # a time would be past one day
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensAsked(PageAsked):
    """Which tokens; None: of every owner that one may see."""

    owner: str | None


class TokensQuery(PageQuery):
    """Which tokens."""

    value: ClassVar[Callable[..., object]] = TokensAsked

    owner = fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable],
        metadata={"description": "only of this principal"},
    )


class TokenSchema(AnswerSchema):
    """A token, without its secret."""

    id = fields.UUID()
    name = fields.String()
    owner = fields.String(metadata={"description": "the principal that it acts as"})
    role = fields.Enum(Role, by_value=fields.String, metadata={"description": "at most this one"})
    group = fields.String(metadata={"description": "in this group; * is every one"})
    created_at = fields.DateTime(format="iso")
    expires_at = fields.DateTime(format="iso")
    revoked_at = fields.DateTime(format="iso", allow_none=True)
    last_used_at = fields.DateTime(
        format="iso", allow_none=True, metadata={"description": "to the minute"}
    )


class NewTokenSchema(TokenSchema):
    """A new token, of a NewToken."""

    token = fields.String(
        metadata={"description": "the secret, which is shown this once and stored nowhere"}
    )


class TokenPageSchema(AnswerSchema):
    """A page of tokens."""

    items = fields.List(fields.Nested(TokenSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrantAsked:
    """A grant that is to be made."""

    principal: str
    role: Role
    group: str


class NewGrantBody(StrictSchema):
    """A new grant."""

    value = NewGrantAsked

    principal = fields.String(
        required=True,
        validate=[
            validate.Length(max=PRINCIPAL_CHARACTERS),
            validate.Regexp(
                r"(local|oidc):.+",
                error="It must be local:USER for a user of this host, or oidc:NAME for one who"
                " signs in by OpenID Connect.",
            ),
            texts.one_line,
            texts.encodable,
            texts.storable,
        ],
        metadata={"example": "oidc:alice"},
    )
    role = role_field()
    group = group_field()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsAsked(PageAsked):
    """Which grants; None: of every principal."""

    principal: str | None


class GrantsQuery(PageQuery):
    """Which grants."""

    value: ClassVar[Callable[..., object]] = GrantsAsked

    principal = fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable],
        metadata={"description": "only of this principal"},
    )


class GrantSchema(AnswerSchema):
    """A grant."""

    id = fields.UUID()
    principal = fields.String()
    role = fields.Enum(Role, by_value=fields.String)
    group = fields.String(metadata={"description": "a group of commands; * is every one"})
    created_at = fields.DateTime(format="iso")
    created_by = fields.String(metadata={"description": "the principal who gave it"})


class GrantPageSchema(AnswerSchema):
    """A page of grants."""

    items = fields.List(fields.Nested(GrantSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
