"""When lines were written: which of them, or at which time, and what is answered."""

import re
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas.base import StrictSchema
from server.output.lines import LineRange, parse_lines

_SECONDS = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")


class MomentField(fields.AwareDateTime):
    """A time, as ISO 8601 or in Unix seconds; loaded as seconds."""

    def _deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        if isinstance(value, str) and _SECONDS.fullmatch(value):
            return float(value)
        return super()._deserialize(value, *given, **named).timestamp()


class LinesField(fields.String):
    """Lines `a-b`, `a-` or `a`."""

    def _deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        try:
            return parse_lines(super()._deserialize(value, *given, **named))
        except ValueError as error:
            raise ValidationError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksAsked:
    """The marks of `lines`, or the one of a time in Unix seconds; neither: of all lines."""

    lines: LineRange | None
    at: float | None


class MarksQuery(StrictSchema):
    """Which marks."""

    value = MarksAsked

    lines = LinesField(
        load_default=None, metadata={"description": "of lines a to b, from 1, as `a-b`"}
    )
    at = MomentField(
        format="iso",
        default_timezone=UTC,
        load_default=None,
        metadata={"description": "the last one at or before this time, ISO 8601 or Unix seconds"},
    )

    @validates_schema(skip_on_field_errors=True)
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("lines", "at") if data.get(name) is not None]
        if len(given) > 1:
            raise ValidationError({name: ["Give only one of these."] for name in given})


class MarksSchema(AnswerSchema):
    """Marks, of lines or of a time."""

    items = fields.List(
        fields.List(fields.Float()),
        metadata={"description": "offset, line and time (Unix seconds), ascending"},
    )
    next = fields.Integer(
        allow_none=True,
        metadata={"description": "the line to ask for more from; null: all is told"},
    )
