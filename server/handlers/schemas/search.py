"""Searching over HTTP: what is searched for, and what is told of it."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import StrictSchema
from server.handlers.schemas.output import MAX_OFFSET
from server.services.search.charsets import CODECS, UNSEARCHABLE, UTF8
from server.services.search.pattern import Query
from server.services.search.search import Wanted

MAX_QUERY_CHARACTERS = 500
MAX_LIMIT = 500
MAX_CONTEXT = 10
MAX_PARTS = 1000


def _wanted(**given: Any) -> Wanted:
    switches = {name: given.pop(name) for name in ("regex", "case", "word", "encoding")}
    query = Query(given.pop("q"), **switches)
    return Wanted(query=query, **given)


def _number(
    default: int | None, low: int, high: int, description: str, *, data_key: str | None = None
) -> fields.Integer:
    return fields.Integer(
        data_key=data_key,
        load_default=default,
        validate=validate.Range(min=low, max=high),
        metadata={"description": description},
    )


def _switch(description: str) -> fields.Boolean:
    return fields.Boolean(load_default=False, metadata={"description": description})


def _searchable(label: str) -> None:
    if label in UNSEARCHABLE:
        raise ValidationError("Output in UTF-16 cannot be searched: its lines are found by bytes.")


class SearchQuery(StrictSchema):
    """What is searched for."""

    value = _wanted

    q = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_QUERY_CHARACTERS), texts.encodable],
        metadata={"description": "a text, or with `regex` a pattern of RE2"},
    )
    regex = _switch("`q` is a regular expression, as RE2 reads them")
    case = _switch("upper and lower case differ")
    word = _switch("whole words alone")
    encoding = fields.String(
        load_default=UTF8,
        validate=[_searchable, validate.OneOf([UTF8, *CODECS])],
        metadata={"description": "in which the output is read", "enum": [UTF8, *CODECS]},
    )
    cursor = fields.String(load_default=None, metadata={"description": "`next` of another call"})
    first = _number(1, 1, MAX_OFFSET, "the first line to look at", data_key="from")
    until = _number(None, 1, MAX_OFFSET, "the last line to look at")
    skip = _number(0, 0, MAX_OFFSET, "leave out so many of the lines that match")
    limit = _number(100, 0, MAX_LIMIT, "lines in the answer; 0: count alone, to the end")
    context = _number(0, 0, MAX_CONTEXT, "lines before and after each, as far as 8 KiB reach")
    histogram = _number(
        0, 0, MAX_PARTS, "tell how many lines match in each of so many equal parts of the output"
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_start(self, data: dict[str, Any], **_: Any) -> None:
        if data["cursor"] is not None and data["first"] != 1:
            given = ("cursor", "from")
            raise ValidationError({name: ["Give only one of these."] for name in given})


class HitSchema(AnswerSchema):
    """A line that matches."""

    line = fields.Integer(metadata={"description": "its number, from 1"})
    offset = fields.Integer(metadata={"description": "where it begins in the output"})
    text_offset = fields.Integer(
        metadata={"description": "where `text` does, which of a long line is a piece"}
    )
    text = fields.String(metadata={"description": "the line, or up to 4096 bytes around the match"})
    start = fields.Integer(
        metadata={"description": "where the first match begins in `text`, in UTF-16 code units"}
    )
    end = fields.Integer(metadata={"description": "where it ends there"})
    before = fields.List(fields.String(), metadata={"description": "the lines before it"})
    after = fields.List(fields.String(), metadata={"description": "the lines after it"})


class SearchedSchema(AnswerSchema):
    """What a call has found."""

    items = fields.List(fields.Nested(HitSchema))
    count = fields.Integer(
        metadata={"description": "lines that match, of this call and those that led to it"}
    )
    complete = fields.Boolean(
        metadata={"description": "all that was asked for, as it is now, was looked at"}
    )
    next = fields.String(
        allow_none=True,
        metadata={
            "description": "`cursor` of the call that goes on, also in what a run writes later;"
            " null: nothing is left"
        },
    )
    scanned_bytes = fields.Integer(metadata={"description": "how far the output was looked at"})
    size = fields.Integer(metadata={"description": "the bytes of the output by now"})
    histogram = fields.List(
        fields.List(fields.Integer()),
        metadata={
            "description": "of each part with matches, in order: the first line, and how many"
        },
    )
