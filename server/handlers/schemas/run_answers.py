"""Runs over HTTP: what is answered of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import fields

from server.definition import CauseKind
from server.handlers.http.rendering import (
    AnswerSchema,
    AwaySinceField,
    HostNameField,
    MayField,
    PathField,
)
from server.models import RunState
from server.services.deletions import DeletionOutcome


class DeletionSchema(AnswerSchema):
    """What became of a run that was to be deleted."""

    id = fields.UUID()
    outcome = fields.Enum(DeletionOutcome, by_value=fields.String)
    detail = fields.String(
        allow_none=True, metadata={"description": "why it was not deleted, for people"}
    )


class DeletionsSchema(AnswerSchema):
    """What became of each run that was to be deleted."""

    items = fields.List(fields.Nested(DeletionSchema))


class LinksSchema(AnswerSchema):
    """Where to go from a run."""

    self = PathField("runs/{id}")
    command = PathField("commands/{command_id}")
    output = PathField("runs/{id}/output")
    ws = PathField("runs/{id}/ws")


class CauseSchema(AnswerSchema):
    """What started a run that nobody started by hand."""

    kind = fields.Enum(CauseKind, by_value=fields.String)
    id = fields.UUID(allow_none=True, metadata={"description": "of the schedule, hook or run"})
    due_at = fields.DateTime(
        format="iso", allow_none=True, metadata={"description": "when a schedule had it due"}
    )


class RunSchema(AnswerSchema):
    """A run, of a RunView; whoever may not start its command does not see its values."""

    hidden: ClassVar[Mapping[str, object]] = {"parameters": None, "parameters_truncated": False}

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
    parameters: Any = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        attribute="run.parameters",
        allow_none=True,
        metadata={
            "description": "the values it was started with, none of a secret; null for whoever may"
            " not start its command"
        },
    )
    parameters_truncated = fields.Boolean(
        attribute="run.parameters_truncated",
        metadata={"description": "lists leave values out that take more than 4 KiB; this says so"},
    )
    cause = fields.Nested(
        CauseSchema,
        attribute="run.cause",
        allow_none=True,
        metadata={"description": "what started it; null: somebody by hand"},
    )
    attempt = fields.Integer(
        attribute="run.attempt", metadata={"description": "from 1; a retry is a run of its own"}
    )
    retry_of = fields.UUID(
        attribute="run.retry_of",
        allow_none=True,
        metadata={"description": "the run that it tries again"},
    )
    not_before = fields.DateTime(
        attribute="run.not_before",
        format="iso",
        allow_none=True,
        metadata={"description": "it stays queued until then"},
    )
    pool = fields.String(
        attribute="run.pool",
        allow_none=True,
        metadata={"description": "a worker of it is to have the run; null: the server itself"},
    )
    host = fields.String(
        attribute="run.host",
        allow_none=True,
        metadata={"description": "the id of the host that has it; null: none has, yet"},
    )
    host_name = HostNameField(
        allow_none=True, metadata={"description": "its name, where hosts meet over NATS"}
    )
    away_since = AwaySinceField(
        format="iso",
        allow_none=True,
        metadata={
            "description": "its host has not been heard of since, and nobody knows how it goes on"
        },
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


class RunScriptSchema(AnswerSchema):
    """What a run executes."""

    script = fields.String()


class CommandLabelSchema(AnswerSchema):
    """What a command is called, and its group."""

    id = fields.UUID()
    name = fields.String()
    group = fields.String()


class NamedRunSchema(RunSchema):
    """A run, of a NamedRunView, with its command."""

    command = fields.Nested(
        CommandLabelSchema,
        allow_none=True,
        metadata={"description": "with `embed=command`; null: it was deleted meanwhile"},
    )


class NamedRunPageSchema(AnswerSchema):
    """A page of runs with their commands."""

    items = fields.List(fields.Nested(NamedRunSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class RunPageSchema(AnswerSchema):
    """A page of runs."""

    items = fields.List(fields.Nested(RunSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class RunsSchema(AnswerSchema):
    """Runs."""

    items = fields.List(fields.Nested(RunSchema))
