"""Output over HTTP: which part of it, and how it is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from server.handlers.schemas.base import StrictSchema
from server.output.start import Start

MAX_OFFSET = 2**63 - 1
START = [entry.name for entry in dataclass_fields(Start)]


MIN_BEHIND = 4096
META = "meta"
"""The format in which a stream tells how far the output is, and none of it."""


def _max_behind(goes_with: str) -> fields.Integer:
    return fields.Integer(
        load_default=None,
        validate=validate.Range(min=MIN_BEHIND, max=MAX_OFFSET),
        metadata={
            "description": f"with {goes_with}: of what is more bytes behind the end than so many,"
            " leave out all but the last so many"
        },
    )


def _refuse(data: Mapping[str, Any], names: Iterable[str], why: str) -> None:
    if given := [name for name in names if data.get(name) is not None]:
        raise ValidationError({name: [why] for name in given})


def _check_without_text(data: Mapping[str, Any], by: str) -> None:
    """Check that nothing is said of a text that is not sent."""
    _refuse(data, [*START, "max_behind"], f"It does not go with {by}, by which no text is sent.")


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

    max_bytes = fields.Integer(
        load_default=None,
        validate=validate.Range(min=1, max=MAX_OFFSET),
        metadata={"description": "at most so many bytes from there; of the last lines, the last"},
    )
    ticket = fields.String(
        load_default=None,
        metadata={"description": "of this run, in the place of a token (POST runs/{id}/ticket)"},
    )

    @validates_schema
    def _one_start(self, data: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("offset", "tail", "lines") if data.get(name) is not None]
        if len(given) > 1:
            raise ValidationError({name: ["Give only one of these."] for name in given})

    def _check_followed(self, data: dict[str, Any]) -> None:
        """Check that an endless part has no bound but that of its first lines."""
        if data.get("max_bytes") is not None and data.get("tail") is None:
            raise ValidationError({"max_bytes": ["Where output is followed, it goes with tail."]})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> object:
        del data["ticket"]  # who asks was found out by it before
        return type(self).value(start=Start(*(data.pop(name) for name in START)), **data)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAsked:
    """Where a stream starts, and how it is written: `format` is a StreamFormat's value or META."""

    start: Start
    format: str
    max_behind: int | None
    deflate: bool


class StreamQuery(_StartQuery):
    """Where a stream starts and how it is written."""

    value = StreamAsked

    format = fields.String(
        load_default="text",
        validate=validate.OneOf(["text", "json", "raw", META]),
        metadata={"description": "how messages are written"},
    )
    max_behind = _max_behind("format=json")
    deflate = fields.Boolean(
        load_default=False, metadata={"description": "permit permessage-deflate"}
    )

    @validates_schema
    def _followed(self, data: dict[str, Any], **_: Any) -> None:
        self._check_followed(data)
        if data.get("format") == META:
            _check_without_text(data, "format=meta")
        elif data.get("format") != "json":
            _refuse(data, ["max_behind"], "It goes with format=json alone, which tells of gaps.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAsked:
    """Which part of an output: from `start` on, or these `lines`, and whether more is awaited."""

    start: Start
    lines: str | None
    follow: bool
    format: str
    max_behind: int | None
    text: bool

    @property
    def is_part(self) -> bool:
        """Whether a part was asked for by a parameter."""
        return self.lines is not None or self.start != Start()


class OutputQuery(_StartQuery):
    """Which part of an output."""

    value = OutputAsked

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
    max_behind = _max_behind("format=sse")
    text = fields.Boolean(
        load_default=True,
        metadata={"description": "with format=sse: false for how far the output is alone"},
    )

    @validates_schema
    def _endless(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("format") != "sse":
            given = {**data, "text": None if data.get("text") else False}
            _refuse(given, ["max_behind", "text"], "It goes with format=sse alone.")
        elif data.get("text") is False:
            _check_without_text(data, "text=false")
        if not data.get("follow") and data.get("format") != "sse":
            return
        if data.get("lines") is not None:
            raise ValidationError({"lines": ["It does not go with follow."]})
        self._check_followed(data)
