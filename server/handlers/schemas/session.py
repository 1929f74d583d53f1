"""Who asks, signing in, and tickets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from server.access import EVERY_GROUP, WITHOUT_ASKING, KnownBy, Principal, Role
from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas.base import StrictSchema

MAX_TICKET_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """How one may sign in, besides by a link."""

    oidc: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asks, and how others may sign in."""

    principal: str | None
    known_by: str
    role: str | None
    roles: Mapping[str, str]
    auth: str
    sign_in: WaysIn
    workers: bool

    @classmethod
    def of(cls, principal: Principal, *, auth: str, oidc: bool, workers: bool) -> "Who":
        """Describe a principal; one that is not known has no name, and learns of no workers."""
        return cls(
            principal=None if principal.known_by is KnownBy.NOBODY else principal.name,
            known_by=principal.known_by.value,
            role=principal.role_in(EVERY_GROUP),
            roles={group: role.value for group, role in sorted(principal.grants.items())},
            auth=auth,
            sign_in=WaysIn(oidc=oidc),
            workers=workers and principal.known_by is not KnownBy.NOBODY,
        )


ROLES = [role.value for role in Role]


class SignInSchema(Schema):
    """How one may sign in, besides by a link."""

    oidc = fields.Boolean(metadata={"description": "by OpenID Connect, at session/oidc"})


class SessionSchema(AnswerSchema):
    """Who asks, and what they may."""

    principal = fields.String(
        allow_none=True, metadata={"description": "such as `local:alice`; null: nobody is known"}
    )
    known_by = fields.String(
        validate=validate.OneOf([one.value for one in KnownBy if one not in WITHOUT_ASKING]),
        metadata={"description": "how the principal is known"},
    )
    role = fields.String(
        allow_none=True,
        validate=validate.OneOf(ROLES),
        metadata={"description": "in every group"},
    )
    roles: Any = fields.Dict(
        keys=fields.String(),
        values=fields.String(validate=validate.OneOf(ROLES)),
        metadata={"description": "by group; `*` is every one"},
    )
    auth = fields.String(
        validate=validate.OneOf(["auto", "required", "off"]),
        metadata={"description": "the setting TAILRUN_AUTH"},
    )
    sign_in = fields.Nested(SignInSchema)
    workers = fields.Boolean(
        metadata={"description": "whether there may be workers: TAILRUN_NATS_URL is set"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What one signs in by: the ticket of a link."""

    ticket: str


class SignInBody(StrictSchema):
    """What one signs in by."""

    value: ClassVar[Callable[..., object]] = SignIn

    ticket = fields.String(
        required=True,
        validate=validate.Length(min=1, max=MAX_TICKET_CHARACTERS),
        metadata={
            "description": "of a sign-in link: what follows `#sign-in=`",
            "example": "Vq3b0M9oXk2dJcR1yTnA7uLwEfZ5hGsP8iBtQmN4vKe",
        },
    )


class TicketSchema(AnswerSchema):
    """A secret that is good once, for some seconds."""

    ticket = fields.String()
    expires_in = fields.Integer(metadata={"description": "in so many seconds"})


class LinkSchema(TicketSchema):
    """A sign-in link's parts."""

    principal = fields.String(metadata={"description": "who signs in by it"})
    url = fields.String(metadata={"description": "of the page, where the server listens"})
