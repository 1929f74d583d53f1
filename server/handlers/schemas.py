"""What goes in and out over HTTP: marshmallow schemas. Unknown fields are refused."""

import re
import signal
import unicodedata
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate, validates_schema

from server.models import RunState

NAME_CHARACTERS = 64
BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, and yet nothing is seen of them."""

# The latter make what follows look like another text (Unicode Technical Report 36, 2.3).
_NOT_PRINTED = r"\x7f-\x9f\u2028\u2029" r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
CONTROLS = re.compile(rf"[\x00-\x1f{_NOT_PRINTED}]")
CONTROLS_IN_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f{_NOT_PRINTED}]")

COMPARED = frozenset(
    {"id", "created_at", "updated_at", "description_truncated", "script_truncated"}
)
READ_ONLY = COMPARED | {"last_run", "run", "warnings"}
"""What a command's answer has beside what is written; the latter change by themselves."""

PAGE_LIMIT = 50
MAX_PAGE_LIMIT = 500
MAX_OFFSET = 2**63 - 1
SIGNALS = sorted(member.name for member in signal.Signals)


def _storable(text: str) -> None:
    """PostgreSQL's text cannot hold NUL."""
    if "\0" in text:
        raise ValidationError("It must not contain NUL characters.")


def _not_blank(text: str) -> None:
    if not text.strip():
        raise ValidationError("It must not be empty.")


def _visible(text: str) -> None:
    if not any(_is_visible(one) for one in text[:NAME_CHARACTERS]):
        raise ValidationError("It must not be empty: it needs a visible character.")


def _is_visible(one: str) -> bool:
    """Tell whether a character shows by itself; one that Unicode has not named yet may."""
    category = unicodedata.category(one)
    return one not in BLANK_LETTERS and (category[0] not in "CMZ" or category in {"Cn", "Co"})


def _one_line(text: str) -> None:
    _no_controls(text, CONTROLS)


def _plain_text(text: str) -> None:
    _no_controls(text, CONTROLS_IN_LINES)


def _no_controls(text: str, controls: re.Pattern[str]) -> None:
    found = controls.search(text)
    if found is not None:
        code = f"U+{ord(found[0]):04X}"
        raise ValidationError(f"It must not contain control characters such as {code}.")


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValidationError("It must not contain lone surrogates.") from error


class StrictSchema(Schema):
    """A schema that refuses unknown fields by name."""

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE


def _name(**options: Any) -> fields.String:
    return fields.String(
        **options,
        validate=[
            validate.Length(max=NAME_CHARACTERS),
            _visible,
            _one_line,
            _encodable,
            _storable,
        ],
        metadata={"description": "up to 64 characters", "example": "Count to ten"},
    )


def _description(**options: Any) -> fields.String:
    return fields.String(
        **options,
        allow_none=True,
        validate=[_plain_text, _encodable, _storable],
        metadata={"description": "free text or null", "example": "A line a second"},
    )


def _script(**options: Any) -> fields.String:
    return fields.String(
        **options,
        validate=[_not_blank, _encodable, _storable],
        metadata={
            "description": "a bash script (sh where there is no bash), or one in any language whose"
            " first line names its interpreter (#!)",
            "example": "for i in $(seq 10); do echo line $i; sleep 1; done",
        },
    )


class NewCommandBody(StrictSchema):
    """A new command."""

    name = _name(required=True)
    description = _description(load_default=None)
    script = _script(required=True)
    start = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "false: only store it, do not start it", "example": True},
    )


class _ChangedCommandBody(Schema):
    """What is written of a command; what is only read is let through, to be compared."""

    class Meta:
        """Keep what is only read."""

        unknown = INCLUDE

    @validates_schema(skip_on_field_errors=False)
    def _no_other_fields(self, data: dict[str, Any], **_: Any) -> None:
        unknown = data.keys() - self.fields.keys() - READ_ONLY
        if unknown:
            raise ValidationError({name: ["Unknown field."] for name in sorted(unknown)})


class CommandBody(_ChangedCommandBody):
    """A command as it is to be."""

    name = _name(required=True)
    description = _description()
    script = _script(required=True)


class CommandPatchBody(_ChangedCommandBody):
    """What is to be changed of a command."""

    name = _name()
    description = _description()
    script = _script()

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if not data.keys() & self.fields.keys():
            raise ValidationError("Give name, description or script.")


class StopBody(StrictSchema):
    """How to stop a run."""

    signal = fields.String(
        load_default="SIGTERM",
        validate=validate.OneOf(SIGNALS),
        metadata={"description": "the first signal", "example": "SIGTERM"},
    )
    grace_seconds = fields.Float(
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=0, max=86400),
        metadata={
            "description": "from that signal to SIGKILL; without it the setting"
            " TAILRUN_STOP_GRACE_SECONDS",
            "example": 10,
        },
    )


class SignalBody(StrictSchema):
    """Which signal to send."""

    signal = fields.String(
        required=True, validate=validate.OneOf(SIGNALS), metadata={"example": "SIGUSR1"}
    )


class PageQuery(StrictSchema):
    """Which page of a list."""

    limit = fields.Integer(
        load_default=PAGE_LIMIT,
        validate=validate.Range(min=1, max=MAX_PAGE_LIMIT),
        metadata={"description": "items a page"},
    )
    cursor = fields.String(load_default=None, metadata={"description": "`next` of the page before"})


class CommandsQuery(PageQuery):
    """Which commands."""

    q = fields.String(
        load_default="",
        validate=[_encodable, _storable],
        metadata={"description": "words of the name or the description, in their order"},
    )


class RunsQuery(PageQuery):
    """Which runs."""

    state = fields.Enum(
        RunState,
        by_value=fields.String,
        load_default=None,
        metadata={"description": "only in this state"},
    )
    command_id = fields.UUID(load_default=None, metadata={"description": "only of this command"})


class _StartQuery(StrictSchema):
    """Where in an output to start."""

    offset = fields.Integer(
        load_default=None,
        validate=validate.Range(min=0, max=MAX_OFFSET),
        metadata={"description": "start at this byte of the output"},
    )
    tail = fields.Integer(
        load_default=None,
        validate=validate.Range(min=0, max=MAX_OFFSET),
        metadata={"description": "start at the last so many lines"},
    )

    @validates_schema
    def _one_start(self, data: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("offset", "tail", "lines") if data.get(name) is not None]
        if len(given) > 1:
            raise ValidationError({name: ["Give only one of these."] for name in given})


class StreamQuery(_StartQuery):
    """Where a stream starts and how it is written."""

    format = fields.String(
        load_default="text",
        validate=validate.OneOf(["text", "json", "raw"]),
        metadata={"description": "how messages are written"},
    )
    deflate = fields.Boolean(
        load_default=False, metadata={"description": "permit permessage-deflate"}
    )


class OutputQuery(_StartQuery):
    """Which part of an output."""

    lines = fields.String(
        load_default=None, metadata={"description": "lines a to b, from 1, as `a-b`"}
    )
    follow = fields.Boolean(
        load_default=False, metadata={"description": "keep on until the run ends"}
    )
    format = fields.String(
        load_default="raw",
        validate=validate.OneOf(["raw", "sse"]),
        metadata={"description": "`sse`: server-sent events, followed to the end"},
    )

    @validates_schema
    def _endless(self, data: dict[str, Any], **_: Any) -> None:
        followed = data.get("follow") or data.get("format") == "sse"
        if followed and data.get("lines") is not None:
            raise ValidationError({"lines": ["It does not go with follow."]})


class LinksSchema(Schema):
    """Where to go from a run."""

    self = fields.String()
    command = fields.String()
    output = fields.String()
    ws = fields.String()


class RunSchema(Schema):
    """A run."""

    id = fields.UUID()
    command_id = fields.UUID()
    state = fields.Enum(RunState, by_value=fields.String)
    stopping = fields.Boolean(metadata={"description": "a stop was asked for"})
    paused = fields.Boolean(metadata={"description": "it was sent SIGSTOP and not SIGCONT since"})
    created_at = fields.DateTime(format="iso")
    start_time = fields.DateTime(format="iso")
    end_time = fields.DateTime(format="iso", allow_none=True)
    exitcode = fields.Integer(
        allow_none=True, metadata={"description": "null until known, and after a signal"}
    )
    signal = fields.String(
        allow_none=True, metadata={"description": "the signal that ended it, such as SIGKILL"}
    )
    reason = fields.String(allow_none=True, metadata={"description": "what else there is to say"})
    output_bytes = fields.Integer(metadata={"description": "bytes written up to now"})
    output_lines = fields.Integer(metadata={"description": "newlines archived up to now"})
    links = fields.Nested(LinksSchema)


class RunInfoSchema(RunSchema):
    """A run with its output as text."""

    output = fields.String()
    output_truncated = fields.Boolean()


LISTED = "lists hold the first 4 KiB; this tells whether there is more"


class StoredCommandSchema(Schema):
    """A command as stored."""

    id = fields.UUID()
    name = fields.String()
    description = fields.String(allow_none=True)
    description_truncated = fields.Boolean(metadata={"description": LISTED})
    script = fields.String()
    script_truncated = fields.Boolean(metadata={"description": LISTED})
    warnings = fields.List(
        fields.String(), metadata={"description": "what will probably go wrong with the script"}
    )
    created_at = fields.DateTime(format="iso")
    updated_at = fields.DateTime(format="iso")


class CommandSchema(StoredCommandSchema):
    """A command with its newest run."""

    last_run = fields.Nested(RunSchema, allow_none=True)


class NewCommandSchema(StoredCommandSchema):
    """A new command with the run that was started."""

    run = fields.Nested(RunSchema, allow_none=True)


class CommandPageSchema(Schema):
    """A page of commands."""

    items = fields.List(fields.Nested(CommandSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class RunPageSchema(Schema):
    """A page of runs."""

    items = fields.List(fields.Nested(RunSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class RunsSchema(Schema):
    """Runs."""

    items = fields.List(fields.Nested(RunSchema))


class StatusSchema(Schema):
    """That the service is up."""

    status = fields.String(metadata={"example": "ok"})
