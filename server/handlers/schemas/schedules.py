"""Schedules over HTTP: what is stored of them, and answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from server.handlers.http.rendering import AnswerSchema, MayField
from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, StrictSchema
from server.handlers.schemas.definition import PauseAnswerSchema
from server.handlers.schemas.runs import CommandLabelSchema
from server.schedules import FireOutcome, Missed, Overlap, ScheduleFields
from server.services.schedules.cron import CronError, ZoneError, check_line, normal, zone_of
from server.services.schedules.warnings import Effect, WarningKind

MAX_JITTER_SECONDS = 3600
NOTE_CHARACTERS = 200
MAX_AHEAD = timedelta(days=32)
"""So far due times are listed."""

LINE = {
    "description": "minute, hour, day of month, month, day of week; with six fields the second"
    " comes first"
}
ZONE = {
    "description": "the IANA's name of the time zone that the line is of, such as Europe/Berlin"
}

READ_ONLY = frozenset(
    {
        "id", "command", "words", "next_times", "times", "more", "paused", "may", "created_at",
        "updated_at",
    }
)  # fmt: skip
"""Fields of the answer that nobody writes."""


class CronField(fields.String):
    """A cron line; loaded with single blanks."""

    def _deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        line = normal(super()._deserialize(value, *given, **named))
        try:
            check_line(line)
        except CronError as error:
            raise ValidationError(str(error)) from error
        return line


def _known_zone(name: str) -> None:
    try:
        zone_of(name)
    except ZoneError as error:
        raise ValidationError(str(error)) from error


def cron_field(**options: Any) -> fields.String:
    """Return the field of a cron line in a body."""
    return CronField(**options, metadata={**LINE, "example": "0 3 * * 1-5"})


class _ScheduleBody(StrictSchema):
    """What is written of a schedule; what is only read may be sent as it is, and is left out."""

    cron = cron_field()
    time_zone = fields.String(validate=_known_zone, metadata={**ZONE, "example": "Europe/Berlin"})
    parameters = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "values of the command's parameters, by name. A secret one that is not"
            " named keeps its value",
            "example": {},
        },
    )
    enabled = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "false: it starts nothing", "example": True},
    )
    overlap = fields.Enum(
        Overlap,
        by_value=fields.String,
        metadata={
            "description": "while a run of the schedule is active: `skip` the due time, `queue` it"
            " until that run has ended, or `allow` one more",
            "example": "skip",
        },
    )
    missed = fields.Enum(
        Missed,
        by_value=fields.String,
        metadata={
            "description": "due times that passed by more than a minute while no server could act:"
            " `skip` them, or start `once` for all of them",
            "example": "skip",
        },
    )
    jitter_seconds = fields.Integer(
        strict=True,
        validate=validate.Range(min=0, max=MAX_JITTER_SECONDS),
        metadata={
            "description": "a run is started so much later than it is due, at most; how much is"
            " settled by schedule and due time",
            "example": 0,
        },
    )

    @pre_load
    def _without_what_is_read(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if name not in READ_ONLY}


class NewScheduleBody(_ScheduleBody):
    """A schedule as it is to be."""

    value = ScheduleFields

    cron = cron_field(required=True)


class SchedulePatchBody(_ScheduleBody):
    """What is to be changed of a schedule."""

    value: ClassVar[Callable[..., object]] = dict

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError(f"Give one of {', '.join(self.fields)}.")


class PauseAsked(NamedTuple):
    """A pause: why, and until when, None: until it is ended."""

    note: str | None
    until: datetime | None


class PauseBody(StrictSchema):
    """A pause."""

    value = PauseAsked

    note = fields.String(
        load_default=None,
        allow_none=True,
        validate=[
            validate.Length(max=NOTE_CHARACTERS),
            texts.one_line,
            texts.encodable,
            texts.storable,
        ],
        metadata={"description": "why, for whoever looks", "example": "moving the database"},
    )
    until = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        metadata={
            "description": "when it ends by itself, with its offset from UTC; null: when it is"
            " resumed",
            "example": None,
        },
    )

    @validates_schema
    def _to_come(self, data: dict[str, Any], **_: Any) -> None:
        until = data.get("until")
        if until is not None and until <= datetime.now(UTC):
            raise ValidationError("It has passed. Give a time to come.", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesAsked(PageAsked):
    """Which schedules; None: of every group, without due times."""

    group: str | None
    until: datetime | None


class SchedulesQuery(PageQuery):
    """Which schedules."""

    value: ClassVar[Callable[..., object]] = SchedulesAsked

    group = texts.group(load_default=None, metadata={"description": "only of this group"})
    until = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={
            "description": "with all due times up to this moment, 32 days ahead at most; without a"
            " zone it is UTC"
        },
    )

    @validates_schema
    def _near(self, data: dict[str, Any], **_: Any) -> None:
        until = data.get("until")
        if until is not None and until > datetime.now(UTC) + MAX_AHEAD:
            raise ValidationError(f"It is more than {MAX_AHEAD.days} days ahead.", "until")


class PreviewAsked(NamedTuple):
    """A line that is to be looked at."""

    cron: str
    time_zone: str


class PreviewQuery(StrictSchema):
    """A line that is to be looked at."""

    value = PreviewAsked

    cron = CronField(required=True, metadata=LINE)
    time_zone = fields.String(load_default="UTC", validate=_known_zone, metadata=ZONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiresAsked(PageAsked):
    """Which due times: a page of all that were decided, or the one nearest to a moment."""

    at: datetime | None


class FiresQuery(PageQuery):
    """Which due times."""

    value: ClassVar[Callable[..., object]] = FiresAsked

    at = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={"description": "only what is nearest to this moment; without a zone it is UTC"},
    )


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
