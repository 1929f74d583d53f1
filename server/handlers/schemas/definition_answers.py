"""What a command says of its runs, as it is answered."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import fields

from server.definition import Beyond, OnUnreachable, ParameterType
from server.handlers.http.rendering import AnswerSchema, SortedField


class ParameterAnswerSchema(AnswerSchema):
    """A parameter of a command."""

    name = fields.String()
    type = fields.Enum(ParameterType, by_value=fields.String)
    label = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    default = fields.Raw(allow_none=True)
    required = fields.Boolean()
    choices = fields.List(fields.String())
    pattern = fields.String(allow_none=True)
    min = fields.Float(allow_none=True)
    max = fields.Float(allow_none=True)
    max_length = fields.Integer(allow_none=True)
    placeholder = fields.String(allow_none=True)


class ConcurrencyAnswerSchema(AnswerSchema):
    """How many runs may go on at a time."""

    limit = fields.Integer()
    beyond = fields.Enum(Beyond, by_value=fields.String)


class RetriesAnswerSchema(AnswerSchema):
    """How often a run is tried again."""

    limit = fields.Integer()
    delay_seconds = fields.Float()
    backoff = fields.Float()
    on = SortedField(fields.String())
    exit_codes = fields.List(fields.Integer())


class NotifyAnswerSchema(AnswerSchema):
    """Which target is told of which events."""

    target = fields.String()
    on = SortedField(fields.String())


class PauseAnswerSchema(AnswerSchema):
    """That schedules do not start the command."""

    note = fields.String(allow_none=True)
    until = fields.DateTime(format="iso", allow_none=True)
    by = fields.String(allow_none=True)
    at = fields.DateTime(format="iso", allow_none=True)


class OptionsAnswer:
    """The same fields as they are answered, of a view with a `command`."""

    hidden_options: ClassVar[Mapping[str, object]] = {"environment": {}}

    key = fields.String(attribute="command.key", allow_none=True)
    parameters = fields.List(
        fields.Nested(ParameterAnswerSchema), attribute="command.options.parameters"
    )
    environment: Any = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        attribute="command.options.environment",
        metadata={"description": "empty for whoever may not start it"},
    )
    working_directory = fields.String(
        attribute="command.options.working_directory", allow_none=True
    )
    timeout_seconds = fields.Float(attribute="command.options.timeout_seconds", allow_none=True)
    grace_seconds = fields.Float(attribute="command.options.grace_seconds", allow_none=True)
    max_output_bytes = fields.Integer(attribute="command.options.max_output_bytes", allow_none=True)
    output_policy = fields.String(attribute="command.options.output_policy", allow_none=True)
    concurrency = fields.Nested(
        ConcurrencyAnswerSchema, attribute="command.options.concurrency", allow_none=True
    )
    retries = fields.Nested(
        RetriesAnswerSchema, attribute="command.options.retries", allow_none=True
    )
    notify = fields.List(fields.Nested(NotifyAnswerSchema), attribute="command.options.notify")
    pool = fields.String(attribute="command.options.pool", allow_none=True)
    requires = fields.List(fields.String(), attribute="command.options.requires")
    on_unreachable = fields.Enum(
        OnUnreachable,
        by_value=fields.String,
        attribute="command.options.on_unreachable",
        allow_none=True,
    )
    lost_after_seconds = fields.Float(
        attribute="command.options.lost_after_seconds", allow_none=True
    )
    options_truncated = fields.Boolean(
        attribute="command.options_truncated",
        metadata={
            "description": "lists leave parameters, environment and the like out where they take"
            " more than 4 KiB; this says so"
        },
    )
    paused = fields.Nested(PauseAnswerSchema, allow_none=True)
