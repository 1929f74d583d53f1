"""Runs over HTTP: how they are stopped and listed, and what is answered of them."""

import signal
from dataclasses import dataclass
from uuid import UUID

from marshmallow import fields, validate

from server.handlers.http.rendering import AnswerSchema, MayField, PathField
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, StrictSchema
from server.models import RunState

SIGNALS = sorted(member.name for member in signal.Signals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How to stop a run: the first signal, and how long until SIGKILL; None: as set."""

    signal: str
    grace_seconds: float | None


class StopBody(StrictSchema):
    """How to stop a run."""

    value = Stop

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal by its name."""

    signal: str


class SignalBody(StrictSchema):
    """Which signal to send."""

    value = Signal

    signal = fields.String(
        required=True, validate=validate.OneOf(SIGNALS), metadata={"example": "SIGUSR1"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAsked(PageAsked):
    """Which runs; None: of any state, of all commands, of all groups that may be seen."""

    state: RunState | None
    command_id: UUID | None
    group: str | None


class RunsQuery(PageQuery):
    """Which runs."""

    value = RunsAsked

    state = fields.Enum(
        RunState,
        by_value=fields.String,
        load_default=None,
        metadata={"description": "only in this state"},
    )
    command_id = fields.UUID(load_default=None, metadata={"description": "only of this command"})
    group = texts.group(
        load_default=None, metadata={"description": "only of the commands of this group"}
    )


class LinksSchema(AnswerSchema):
    """Where to go from a run."""

    self = PathField("runs/{id}")
    command = PathField("commands/{command_id}")
    output = PathField("runs/{id}/output")
    ws = PathField("runs/{id}/ws")


class RunSchema(AnswerSchema):
    """A run, of a RunView."""

    id = fields.UUID(attribute="run.id")
    command_id = fields.UUID(attribute="run.command_id")
    state = fields.Enum(RunState, by_value=fields.String, attribute="run.state")
    stopping = fields.Boolean(metadata={"description": "a stop was asked for"})
    paused = fields.Boolean(metadata={"description": "it was sent SIGSTOP and not SIGCONT since"})
    created_at = fields.DateTime(attribute="run.created_at", format="iso")
    start_time = fields.DateTime(attribute="run.start_time", format="iso")
    end_time = fields.DateTime(attribute="run.end_time", format="iso", allow_none=True)
    exitcode = fields.Integer(
        attribute="run.exitcode",
        allow_none=True,
        metadata={"description": "null until known, and after a signal"},
    )
    signal = fields.String(
        attribute="run.signal",
        allow_none=True,
        metadata={"description": "the signal that ended it, such as SIGKILL"},
    )
    reason = fields.String(
        attribute="run.reason",
        allow_none=True,
        metadata={"description": "what else there is to say"},
    )
    output_bytes = fields.Integer(metadata={"description": "bytes written up to now"})
    output_lines = fields.Integer(
        attribute="run.output_lines", metadata={"description": "newlines archived up to now"}
    )
    may = MayField("run.command_id")
    links = fields.Nested(LinksSchema, attribute="run")


class RunInfoSchema(RunSchema):
    """A run with its output as text."""

    output = fields.String()
    output_truncated = fields.Boolean()


class RunPageSchema(AnswerSchema):
    """A page of runs."""

    items = fields.List(fields.Nested(RunSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class RunsSchema(AnswerSchema):
    """Runs."""

    items = fields.List(fields.Nested(RunSchema))
