"""Commands over HTTP: what is stored and changed of them, and answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import INCLUDE, Schema, ValidationError, fields, post_load, validates_schema

from server.access import DEFAULT_GROUP
from server.handlers.http.problems import InvalidInputError
from server.handlers.http.rendering import AnswerSchema, MayField
from server.handlers.schemas import texts
from server.handlers.schemas.base import IdsField, PageAsked, PageQuery, StatesField, StrictSchema
from server.handlers.schemas.definition import (
    OPTIONS,
    OptionsFields,
    key,
    take_options,
)
from server.handlers.schemas.definition_answers import OptionsAnswer
from server.handlers.schemas.run_answers import RunSchema
from server.handlers.schemas.runs import values
from server.models import CommandChange, RunState

COMPARED = frozenset(
    {
        "id",
        "created_at",
        "updated_at",
        "description_truncated",
        "script_truncated",
        "options_truncated",
    }
)
READ_ONLY = COMPARED | {"last_run", "run", "warnings", "may", "paused"}
"""Fields of the answer that nobody writes. Those not in COMPARED change without an edit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A command that is to be stored, and started with `values` if `start` says so."""

    name: str
    description: str | None
    script: str
    group: str
    run_as: str | None
    key: str | None
    options: Mapping[str, Any]
    values: Mapping[str, object]
    start: bool


def _new(**data: Any) -> NewCommand:
    return NewCommand(options=take_options(data), **data)


class NewCommandBody(StrictSchema, OptionsFields):
    """A new command."""

    value = _new

    name = texts.name(required=True)
    description = texts.description(load_default=None)
    script = texts.script(required=True)
    group = texts.group(load_default=DEFAULT_GROUP)
    run_as = texts.run_as(load_default=None)
    key = key(load_default=None)
    values = values(
        description="its first run's, by the names of the parameters", example={"DAY": "mon"}
    )
    start = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "false: only store it, do not start it", "example": True},
    )


@dataclass(frozen=True, slots=True)
class ChangedCommand:
    """What is to be changed, and what the client sent of what is only read (`COMPARED`)."""

    change: CommandChange
    compared: dict[str, object]


class _ChangedCommandBody(Schema):
    """What is written of a command; what is only read is kept, to be compared."""

    class Meta:
        """Keep what is only read."""

        unknown = INCLUDE

    @validates_schema(skip_on_field_errors=False)
    def _no_other_fields(self, data: dict[str, Any], **_: Any) -> None:
        unknown = data.keys() - self.fields.keys() - READ_ONLY
        if unknown:
            raise ValidationError({name: ["Unknown field."] for name in sorted(unknown)})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> ChangedCommand:
        options = take_options(data)
        change = CommandChange(
            name=data.get("name"),
            script=data.get("script"),
            group=data.get("group"),
            description=data.get("description"),
            keep_description="description" not in data,
            run_as=data.get("run_as"),
            keep_run_as="run_as" not in data,
            key=data.get("key"),
            keep_key="key" not in data,
            options=options,
        )
        return ChangedCommand(change, {name: data[name] for name in sorted(COMPARED & data.keys())})


def refuse_other_values(compared: Mapping[str, object], stored: Mapping[str, object]) -> None:
    """Refuse what a client sent of what is only read, where it is not as `stored` has it.

    Raises:
        InvalidInputError: by field.
    """
    wrong = {
        name: [
            "It cannot be changed. Leave it out."
            if not name.endswith("_truncated")
            else "It was cut for a list: get the command by itself, and change that."
        ]
        for name, value in compared.items()
        if not _is_same(value, stored[name])
    }
    if wrong:
        raise InvalidInputError(wrong)


def _is_same(given: object, stored: object) -> bool:
    """Return whether a value is the stored one; times may be written otherwise (`Z`)."""
    if given == stored:
        return type(given) is type(stored)
    try:
        return datetime.fromisoformat(str(given)) == datetime.fromisoformat(str(stored))
    except (ValueError, TypeError):
        return False


class CommandBody(_ChangedCommandBody, OptionsFields):
    """A command as it is to be."""

    name = texts.name(required=True)
    description = texts.description()
    script = texts.script(required=True)
    group = texts.group()
    run_as = texts.run_as()
    key = key()


class CommandPatchBody(_ChangedCommandBody, OptionsFields):
    """What is to be changed of a command."""

    name = texts.name()
    description = texts.description()
    script = texts.script()
    group = texts.group()
    run_as = texts.run_as()
    key = key()

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if not data.keys() & self.fields.keys():
            raise ValidationError(
                f"Give name, description, script, group, run_as, key, or of {', '.join(OPTIONS)}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsAsked(PageAsked):
    """Which commands: those with the words `q`, of a group, None for all that may be seen.

    With states, those whose newest run is in one of them; with ids, these alone; with a key or a
    name, those that have exactly that.
    """

    q: str
    group: str | None
    state: frozenset[RunState]
    ids: frozenset[UUID]
    key: str | None
    name: str | None


def exactly(description: str) -> fields.String:
    """Return the field of a text that something has exactly."""
    return fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable],
        metadata={"description": description},
    )


class CommandsQuery(PageQuery):
    """Which commands."""

    value = CommandsAsked

    q = fields.String(
        load_default="",
        validate=[texts.encodable, texts.storable],
        metadata={"description": "words of the name or the description, in their order"},
    )
    group = texts.group(load_default=None, metadata={"description": "only of this group"})
    state = StatesField("only those whose newest run is in this state")
    ids = IdsField("only these")
    key = exactly("only the one with this key")
    name = exactly("only those with exactly this name")


LISTED = "lists hold the first 4 KiB; this says whether there is more"


class StoredCommandSchema(OptionsAnswer, AnswerSchema):
    """A command as stored, of a CommandView; whoever may not start it does not see its script."""

    hidden: ClassVar[Mapping[str, object]] = {
        "script": None,
        "script_truncated": False,
        "warnings": [],
        **OptionsAnswer.hidden_options,
    }

    id = fields.UUID(attribute="command.id")
    name = fields.String(attribute="command.name")
    description = fields.String(attribute="command.description", allow_none=True)
    description_truncated = fields.Boolean(
        attribute="command.description_truncated", metadata={"description": LISTED}
    )
    script = fields.String(
        attribute="command.script",
        allow_none=True,
        metadata={"description": "null for whoever may not start it"},
    )
    script_truncated = fields.Boolean(
        attribute="command.script_truncated", metadata={"description": LISTED}
    )
    warnings = fields.List(
        fields.String(), metadata={"description": "what will probably go wrong with the script"}
    )
    group = fields.String(attribute="command.group")
    run_as = fields.String(
        attribute="command.run_as",
        allow_none=True,
        metadata={"description": "whom its runs are started as; null: as the settings say"},
    )
    may = MayField("command.id")
    created_at = fields.DateTime(attribute="command.created_at", format="iso")
    updated_at = fields.DateTime(attribute="command.updated_at", format="iso")


class CommandSchema(StoredCommandSchema):
    """A command with its newest run."""

    last_run = fields.Nested(RunSchema, allow_none=True)


class NewCommandSchema(StoredCommandSchema):
    """A new command with the run that was started."""

    run = fields.Nested(RunSchema, attribute="last_run", allow_none=True)


class CommandPageSchema(AnswerSchema):
    """A page of commands."""

    items = fields.List(fields.Nested(CommandSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
