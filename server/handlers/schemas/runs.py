"""Runs over HTTP: how they are started, stopped, listed and deleted."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NamedTuple
from uuid import UUID

from marshmallow import ValidationError, fields, validate, validates_schema

from server.definition import KEY
from server.handlers.schemas import texts
from server.handlers.schemas.base import (
    MAX_PAGE_LIMIT,
    PageAsked,
    PageQuery,
    ShortList,
    StatesField,
    StrictSchema,
)
from server.models import RunFilter, RunState

MAX_SECONDS = 1e9
"""Longer than any run; an interval of PostgreSQL holds it."""

MAX_HOST_CHARACTERS = 200

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
    """Which page of which runs, of a group, None for all that may be seen.

    `embed`: each is answered with its command.
    """

    runs: RunFilter
    group: str | None
    embed: bool


def _asked(
    *,
    limit: int,
    cursor: str | None,
    group: str | None,
    embed: str | None,
    state: frozenset[RunState],
    q: str,
    **named: Any,
) -> RunsAsked:
    runs = RunFilter(states=state, reason=q, **named)
    return RunsAsked(limit=limit, cursor=cursor, group=group, embed=embed is not None, runs=runs)


def _moment(description: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={"description": f"{description}; without a zone it is UTC"},
    )


def _seconds(description: str) -> fields.Float:
    return fields.Float(
        load_default=None,
        validate=validate.Range(min=0, max=MAX_SECONDS),
        metadata={"description": description},
    )


class RunsQuery(PageQuery):
    """Which runs."""

    value = _asked

    state = StatesField("only in this state")
    command_id = fields.UUID(load_default=None, metadata={"description": "only of this command"})
    group = texts.group(
        load_default=None, metadata={"description": "only of the commands of this group"}
    )
    since = _moment("created at this moment or later")
    until = _moment("created before this moment")
    min_seconds = _seconds("that took so long or longer, or have run for so long")
    max_seconds = _seconds("that took so long or less, or have run for no longer")
    exitcode = fields.Integer(
        load_default=None,
        validate=validate.Range(min=-(2**31), max=2**31 - 1),
        metadata={"description": "only with this exit code"},
    )
    retry_of = fields.UUID(
        load_default=None,
        metadata={"description": "only the attempt that followed this run"},
    )
    host = fields.String(
        load_default=None,
        validate=[texts.encodable, texts.storable, validate.Length(max=MAX_HOST_CHARACTERS)],
        metadata={"description": "only those that the host of this id has"},
    )
    pool = fields.String(
        load_default=None,
        validate=validate.Regexp(KEY, error="It takes 1 to 64 of a-z, 0-9 and `-`."),
        metadata={"description": "only those that are stored for the workers of this pool"},
    )
    q = fields.String(
        load_default="",
        validate=[texts.encodable, texts.storable],
        metadata={"description": "words of the reason, in their order"},
    )
    embed = fields.String(
        load_default=None,
        validate=validate.OneOf(["command"]),
        metadata={"description": "`command`: each run with its command's name and group"},
    )

    @validates_schema
    def _some(self, data: dict[str, Any], **_: Any) -> None:
        least, most = data.get("min_seconds"), data.get("max_seconds")
        if least is not None and most is not None and least > most:
            raise ValidationError({"max_seconds": ["It is less than min_seconds."]})


def values(*, description: str, example: Mapping[str, object]) -> Any:
    """Return the field of values of a command's parameters, which are checked by its definition."""
    return fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        load_default=dict,
        metadata={"description": description, "example": example},
    )


class Start(NamedTuple):
    """What a run is started with."""

    parameters: dict[str, Any]


class StartBody(StrictSchema):
    """What a run is started with."""

    value = Start

    parameters = values(
        description='values of the command\'s parameters, by their names: `{"DAY": "mon"}`',
        example={},
    )


class RunsDeletion(NamedTuple):
    """The runs that are to be deleted."""

    ids: list[UUID]


class RunsDeletionBody(StrictSchema):
    """The runs that are to be deleted."""

    value = RunsDeletion

    ids = ShortList(
        fields.UUID(),
        least=1,
        most=MAX_PAGE_LIMIT,
        required=True,
        metadata={
            "description": "ids of runs",
            "example": ["7f9c24e8-3b12-4fef-91e0-5a2d3c4b5a69"],
        },
    )
