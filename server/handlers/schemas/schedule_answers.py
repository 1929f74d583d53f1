"""Schedules over HTTP: what is answered of them."""

from collections.abc import Mapping
from typing import ClassVar

from marshmallow import fields

from server.handlers.http.rendering import AnswerSchema, MayField
from server.handlers.schemas.definition_answers import PauseAnswerSchema
from server.handlers.schemas.run_answers import CommandLabelSchema
from server.schedules import FireOutcome, Missed, Overlap
from server.services.schedules.warnings import Effect, WarningKind


class ScheduleSchema(AnswerSchema):
    """A schedule, of a ScheduleView."""

    hidden: ClassVar[Mapping[str, object]] = {"parameters": None}

    id = fields.UUID(attribute="schedule.id")
    command = fields.Nested(CommandLabelSchema)
    cron = fields.String(attribute="schedule.cron")
    time_zone = fields.String(attribute="schedule.time_zone")
    words = fields.String(metadata={"description": "the line in English words"})
    parameters = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        attribute="schedule.parameters",
        allow_none=True,
        metadata={
            "description": "without those of secret parameters; null for whoever may not start it"
        },
    )
    enabled = fields.Boolean(attribute="schedule.enabled")
    overlap = fields.Enum(Overlap, by_value=fields.String, attribute="schedule.overlap")
    missed = fields.Enum(Missed, by_value=fields.String, attribute="schedule.missed")
    jitter_seconds = fields.Integer(attribute="schedule.jitter_seconds")
    next_times = fields.List(
        fields.DateTime(format="iso"),
        metadata={"description": "the next five due times; none: it is not enabled"},
    )
    times = fields.List(
        fields.DateTime(format="iso"),
        allow_none=True,
        metadata={"description": "with `until`: the due times up to it, 200 at most; else null"},
    )
    more = fields.Boolean(metadata={"description": "there are further `times`"})
    paused = fields.Nested(
        PauseAnswerSchema,
        allow_none=True,
        metadata={"description": "the pause of its command: it starts nothing"},
    )
    may = MayField("command.id")
    created_at = fields.DateTime(attribute="schedule.created_at", format="iso")
    updated_at = fields.DateTime(attribute="schedule.updated_at", format="iso")


class SchedulePageSchema(AnswerSchema):
    """A page of schedules."""

    items = fields.List(fields.Nested(ScheduleSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})


class ScheduleWarningSchema(AnswerSchema):
    """What is to be expected of a line."""

    kind = fields.Enum(
        WarningKind,
        by_value=fields.String,
        metadata={
            "description": "`skipped`, `repeated`: the clock changes; `rare`: in over a year"
        },
    )
    text = fields.String(metadata={"description": "for people"})
    begin = fields.DateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "local time from which hours are skipped, or come twice"},
    )
    end = fields.DateTime(format="iso", allow_none=True, metadata={"description": "until when"})
    effect = fields.Enum(
        Effect,
        by_value=fields.String,
        allow_none=True,
        metadata={
            "description": "it is due right `after` the skipped hours, or not (`none`); the"
            " `first` time alone, or `twice`"
        },
    )


class PreviewSchema(AnswerSchema):
    """What a cron line means."""

    next_times = fields.List(fields.DateTime(format="iso"))
    words = fields.String(metadata={"description": "the line in English words"})
    warnings = fields.List(fields.Nested(ScheduleWarningSchema))


class FireSchema(AnswerSchema):
    """What came of a due time, or of several in a row."""

    due_at = fields.DateTime(format="iso")
    last_due_at = fields.DateTime(
        format="iso", metadata={"description": "the last of them, where the same came of several"}
    )
    count = fields.Integer(metadata={"description": "how many they are"})
    decided_at = fields.DateTime(format="iso", metadata={"description": "of the last of them"})
    outcome = fields.Enum(FireOutcome, by_value=fields.String)
    reason = fields.String(allow_none=True, metadata={"description": "why, for people"})
    run_id = fields.UUID(
        allow_none=True, metadata={"description": "what was started; it may be deleted by now"}
    )
    host = fields.String(metadata={"description": "whose server decided"})
    late_at = fields.DateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "when it was found to be late"},
    )
    long_at = fields.DateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "when its run was found to take long"},
    )


class FirePageSchema(AnswerSchema):
    """A page of due times that were decided."""

    items = fields.List(fields.Nested(FireSchema))
    next = fields.String(allow_none=True, metadata={"description": "cursor of the next page"})
