"""Schedules over HTTP and in files: what is asked for, and written of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from server.handlers.schemas import texts
from server.handlers.schemas.base import PageAsked, PageQuery, StrictSchema
from server.schedules import Missed, Overlap, ScheduleFields
from server.services.schedules.cron import CronError, ZoneError, check_line, normal, zone_of

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


class _Writing(StrictSchema):
    """What is written of a schedule."""

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


class _ScheduleBody(_Writing):
    """What is written of a schedule; what is only read may be sent as it is, and is left out."""

    @pre_load
    def _without_what_is_read(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if name not in READ_ONLY}


class NewScheduleBody(_ScheduleBody):
    """A schedule as it is to be."""

    value = ScheduleFields

    cron = cron_field(required=True)


def _set_schedule(*, parameters: Mapping[str, Any] | None = None, **said: Any) -> ScheduleFields:
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    return ScheduleFields(parameters=given, **said)


class SetScheduleSchema(_Writing):
    """A schedule of a command in a set: whole, but for the values of secret parameters."""

    value: ClassVar[Callable[..., object]] = _set_schedule

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
