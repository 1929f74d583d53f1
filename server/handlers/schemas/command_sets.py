"""Sets of commands over HTTP, as files have them: what is applied, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from server.command_parts import Fate
from server.command_set import PARTS, WantedCommand
from server.definition import Options
from server.handlers.http.rendering import AnswerSchema, PathField
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, ShortList, StrictSchema
from server.handlers.schemas.definition import OptionsFields, key, take_options
from server.handlers.schemas.hooks import SetHookSchema
from server.handlers.schemas.schedules import SetScheduleSchema
from server.repositories.hooks import MAX_HOOKS
from server.repositories.schedules import MAX_SCHEDULES

MAX_COMMANDS = 5000


def _wanted(**data: Any) -> WantedCommand:
    said = {name: value for name, value in take_options(data).items() if value is not None}
    name = data.pop("name", data["key"])
    keep_run_as = "run_as" not in data
    data |= {part: tuple(data[part]) for part in PARTS if part in data}
    return WantedCommand(name=name, keep_run_as=keep_run_as, options=Options.of(said), **data)


def _whole(one: type[StrictSchema], most: int, description: str) -> "fields.List[Any]":
    """Return the field of a list that is whole where it is named."""
    return ShortList(
        fields.Nested(one),
        most=most,
        error_messages={"null": "Give a list: [] for none. Left out, it stays as it is."},
        metadata={"description": f"{description}; left out, they stay as they are"},
    )


class SetCommandSchema(StrictSchema, OptionsFields):
    """A command as it is to be: whole, but for what stays where it is not named.

    That is its group, its `run_as`, its schedules and its hooks.
    """

    value: ClassVar[Callable[..., object]] = _wanted

    key = key(required=True)
    name = texts.name(example="Back up")
    description = texts.description(load_default=None)
    script = texts.script(required=True)
    group = texts.group()
    run_as = texts.run_as()
    schedules = _whole(SetScheduleSchema, MAX_SCHEDULES, "when it is started by itself, all of it")
    hooks = _whole(SetHookSchema, MAX_HOOKS, "what other services start it by, all of it")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.fields["key"].allow_none = False


class _Items(fields.List[Any]):
    """A list whose items are read later, some at a time: so none of many holds the loop."""

    def _deserialize(self, value: Any, *_given: Any, **_named: Any) -> Any:
        if not isinstance(value, list):
            raise ValidationError("Not a valid list.")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSetAsked:
    """A set that is to be applied; its `commands` are not read yet."""

    commands: list[Any]
    prune: bool
    dry_run: bool
    plan: str | None


def _flag(description: str) -> fields.Boolean:
    return fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": description, "example": False},
    )


class CommandSetBody(StrictSchema):
    """Commands as they are to be, by their keys."""

    max_containers: ClassVar[int] = 50_000

    value: ClassVar[Callable[..., object]] = CommandSetAsked

    commands = _Items(
        fields.Nested(SetCommandSchema),
        required=True,
        validate=validate.Length(max=MAX_COMMANDS),
        metadata={
            "description": "each whole",
            "example": [{"key": "backup", "name": "Back up", "script": "true"}],
        },
    )
    prune = _flag(
        "delete commands with a key, in the groups of these, that are not among them, with all"
        " their runs"
    )
    dry_run = _flag("say what would change, and change nothing")
    plan = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "of a dry run: nothing else is done than that said",
            "example": None,
        },
    )


class FieldChangeSchema(AnswerSchema):
    """A field that changes; null: it says nothing."""

    field = fields.String()
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class StepSchema(AnswerSchema):
    """What becomes of a command."""

    key = fields.String()
    id = fields.UUID(allow_none=True, metadata={"description": "null of one that is new"})
    outcome = fields.Enum(Fate, by_value=fields.String, attribute="fate")
    changes = fields.List(fields.Nested(FieldChangeSchema))


class HookSecretSchema(AnswerSchema):
    """The secret of a hook that was made."""

    key = fields.String(metadata={"description": "the command's"})
    id = fields.UUID(metadata={"description": "the hook's, as its name"})
    name = fields.String()
    deliveries = PathField("hooks/{id}")
    secret = fields.String(metadata={"description": "to be given to the sender"})


class CommandSetSchema(AnswerSchema):
    """What becomes of each command of a set, and of those that are pruned."""

    plan = fields.String(
        attribute="plan.token", metadata={"description": "stands for exactly these changes"}
    )
    items = fields.List(fields.Nested(StepSchema), attribute="plan.steps")
    secrets = fields.List(
        fields.Nested(HookSecretSchema),
        metadata={"description": "of the hooks that were made: shown this once"},
    )


class FileCommandSchema(SetCommandSchema):
    """A command in a file, as `tailrun apply` reads it."""

    script = texts.script()
    script_file = fields.String(
        metadata={
            "description": "a file that has the script, in place of `script`: beside this one, or"
            " below its directory"
        }
    )


class CommandsFileSchema(StrictSchema):
    """Commands in a file, as `tailrun apply` takes them and `tailrun export` writes them."""

    commands = fields.List(fields.Nested(FileCommandSchema), required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAsked(PageAsked):
    """Which commands are exported: those of a group, None for all that may be changed."""

    group: str | None


class ExportQuery(PageQuery):
    """Which commands."""

    value = ExportAsked

    group = texts.group(load_default=None, metadata={"description": "only of this group"})


class ExportSchema(AnswerSchema):
    """A page of commands as files have them."""

    items = fields.List(
        fields.Dict(values=fields.Raw()),
        metadata={"description": "each as `PUT commands/` takes it"},
    )
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
