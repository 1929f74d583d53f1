"""Hooks over HTTP: what is asked for, and answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from server.handlers.http.rendering import AnswerSchema, PathField
from server.handlers.schemas import texts
from server.handlers.schemas.base import ShortDict, ShortList, StrictSchema
from server.models import HookChange, HookScheme, NewHook
from server.services.hooks import pointers, schemes
from server.services.hooks.hooks import Outcome

MAX_EVENTS = 50
MAX_EVENT_CHARACTERS = 255
MAX_POINTERS = 100
MAX_POINTER_CHARACTERS = 1024


def _pointer(text: str) -> None:
    if not pointers.is_pointer(text):
        raise ValidationError(
            "It is no JSON pointer (RFC 6901): such as /repository/name, with ~1 for a slash and ~0"
            " for a tilde within a name."
        )


def _events(**options: Any) -> "fields.List[Any]":
    one = fields.String(
        validate=[
            validate.Length(min=1, max=MAX_EVENT_CHARACTERS),
            texts.one_line,
            texts.encodable,
        ]
    )
    description = (
        "which events start a run, by the sender's names (`push`); others are answered and ignored."
        " Empty: every one, but GitHub's `ping`"
    )
    return ShortList(
        one,
        most=MAX_EVENTS,
        **options,
        metadata={"description": description, "example": ["push"]},
    )


def _parameters(**options: Any) -> fields.Dict:
    pointer = fields.String(
        validate=[
            validate.Length(max=MAX_POINTER_CHARACTERS),
            texts.storable,
            texts.encodable,
            _pointer,
        ]
    )
    return ShortDict(
        most=MAX_POINTERS,
        **options,
        keys=fields.String(
            validate=[validate.Length(min=1, max=255), texts.one_line, texts.encodable]
        ),
        values=pointer,
        metadata={
            "description": "JSON pointers into the body, by the names of the parameters whose"
            " values they lead to",
            "example": {"BRANCH": "/ref"},
        },
    )


def _enabled(**options: Any) -> fields.Boolean:
    return fields.Boolean(
        **options,
        truthy={True},
        falsy={False},
        metadata={
            "description": "false: what is sent is answered, and starts nothing",
            "example": True,
        },
    )


def _new_hook(*, events: list[str], **named: Any) -> NewHook:
    return NewHook(events=tuple(events), **named)


class _Making(StrictSchema):
    """What is written of a hook beside its secret."""

    value: ClassVar[Callable[..., object]] = _new_hook

    name = texts.name(required=True, example="push to main")
    scheme = fields.Enum(
        HookScheme,
        by_value=fields.String,
        required=True,
        metadata={"description": "how the sender signs", "example": "github"},
    )
    events = _events(load_default=list)
    parameters = _parameters(load_default=dict)
    enabled = _enabled(load_default=True)


class NewHookBody(_Making):
    """A new hook."""

    secret = fields.String(
        load_default=None,
        allow_none=True,
        validate=[texts.encodable],
        metadata={
            "description": "what both sides know; without it one is made",
            "example": None,
        },
    )

    @validates_schema(skip_on_field_errors=False)
    def _secret(self, data: dict[str, Any], **_: Any) -> None:
        secret, scheme = data.get("secret"), data.get("scheme")
        if secret is not None and scheme is not None:
            problem = schemes.secret_problem(scheme, secret)
            if problem is not None:
                raise ValidationError({"secret": [problem]})


class SetHookSchema(_Making):
    """A hook of a command in a set: whole, but for its secret."""

    @pre_load
    def _without_secret(self, data: Any, **_: Any) -> Any:
        if isinstance(data, Mapping) and "secret" in data:
            text = "A secret stands in no file. A new hook gets one, which is shown once."
            raise ValidationError({"secret": [text]})
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedHook:
    """What to change of a hook; `renew`: it gets a new secret."""

    change: HookChange
    renew: bool


def _changed_hook(*, events: list[str] | None = None, **named: Any) -> ChangedHook:
    renew = "secret" in named and named["secret"] is None
    given = None if events is None else tuple(events)
    return ChangedHook(change=HookChange(events=given, **named), renew=renew)


class HookPatchBody(StrictSchema):
    """What to change of a hook."""

    value: ClassVar[Callable[..., object]] = _changed_hook

    name = texts.name(example="push to main")
    secret = fields.String(
        allow_none=True,
        validate=[texts.encodable],
        metadata={"description": "null: a new one is made, and shown once", "example": None},
    )
    events = _events()
    parameters = _parameters()
    enabled = _enabled()


class HookSchema(AnswerSchema):
    """A hook, without its secret."""

    id = fields.UUID()
    command_id = fields.UUID()
    name = fields.String()
    scheme = fields.Enum(HookScheme, by_value=fields.String)
    events = fields.List(fields.String())
    parameters = fields.Dict(keys=fields.String(), values=fields.String())
    enabled = fields.Boolean()
    created_at = fields.DateTime(format="iso")
    created_by = fields.String()
    deliveries = PathField("hooks/{id}")


class NewHookSchema(HookSchema):
    """A hook, of a MadeHook."""

    secret = fields.String(
        metadata={"description": "where it is new: shown this once, to be given to the sender"}
    )


class HooksSchema(AnswerSchema):
    """The hooks of a command."""

    items = fields.List(fields.Nested(HookSchema))


class ReceivedSchema(AnswerSchema):
    """What became of a delivery."""

    outcome = fields.Enum(Outcome, by_value=fields.String)
    run_id = fields.UUID(allow_none=True, metadata={"description": "the run that it has started"})
    detail = fields.String(metadata={"description": "what became of it, for people"})
