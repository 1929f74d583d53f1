"""The strict reading of a request's input: JSON or an error, each parameter once."""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from aiohttp import web
from marshmallow import Schema, ValidationError
from webargs.aiohttpparser import AIOHTTPParser

from server.handlers.http.problems import NAMED_FIELDS, InvalidInputError

MAX_CONTAINERS = 1000  # half a million blocked the loop for 0.3 s
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class StrictParser(AIOHTTPParser):
    """Reads bodies and queries for aiohttp-apispec, which calls these methods."""

    async def load_json(self, req: web.Request, schema: Schema) -> Any:
        """Return what the body holds; {} where there is none.

        Raises:
            HTTPBadRequest: it is not JSON.
            InvalidInputError: it has too many lists, objects or unknown fields.
        """
        body = await req.read()
        if not body:
            return {}
        _refuse_many_containers(body, getattr(schema, "max_containers", MAX_CONTAINERS))
        try:
            read = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            # After a semicolon comes Python's own advice, where a number is too long.
            text = text.partition(";")[0]
            raise web.HTTPBadRequest(text=f"The body is not JSON: {text}.") from error
        if isinstance(read, dict) and len(read) > len(schema.fields) + NAMED_FIELDS:
            # marshmallow would name each of thousands.
            unknown = [name for name in read if name not in schema.fields]
            named = {name: ["Unknown field."] for name in unknown[:NAMED_FIELDS]}
            raise InvalidInputError(named, more=len(unknown) - len(named))
        return read

    def load_querystring(self, req: web.Request, schema: Schema) -> Any:
        """Return the query's parameters.

        Raises:
            InvalidInputError: one is given twice.
        """
        repeated = [name for name in req.query if len(req.query.getall(name)) > 1]
        if repeated:
            named = {name: ["Give it once."] for name in repeated[:NAMED_FIELDS]}
            raise InvalidInputError(named)
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Say what the schema refuses, by field.

        Raises:
            InvalidInputError: always.
        """
        by_field: dict[str, list[str]] = {}
        # webargs' messages are by location and then by field.
        for found in error.messages_dict.values():
            for name, said in (found if isinstance(found, dict) else {"body": found}).items():
                for field, texts in flattened("body" if name == "_schema" else str(name), said):
                    by_field.setdefault(field, []).extend(texts)
        raise InvalidInputError(by_field) from error


def flattened(field: str, said: Any) -> Iterator[tuple[str, list[str]]]:
    """Flatten what is wrong within a field: `parameters.0.name`, from 0 as JSON counts.

    What is wrong with an item that is no object is told of the list.
    """
    if not isinstance(said, dict):
        yield field, [str(text) for text in said] if isinstance(said, list) else [str(said)]
        return
    for name, within in said.items():
        if name in {"_schema", "key", "value"}:  # of all of it; of an entry of an object
            yield from flattened(field, within)
        elif isinstance(name, int) and not isinstance(within, dict):
            yield field, [f"Item {name}: {text}" for text in within]
        else:
            yield from flattened(f"{field}.{name}", within)


def _refuse_many_containers(body: bytes, most: int) -> None:
    """Refuse a body with so many lists and objects that reading it would block the loop.

    Raises:
        InvalidInputError: it has more than `most`, not counting what stands in texts.
    """
    if body.count(b"[") + body.count(b"{") > most:
        bare = _TEXT.sub(b"", body)
        if bare.count(b"[") + bare.count(b"{") > most:
            text = f"It has more than {most} lists and objects; no body here needs them."
            raise InvalidInputError({"body": [text]})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
