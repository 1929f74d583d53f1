"""The API's documentation and the checking of its input, by aiohttp-apispec.

The only module that knows that library: it is untyped, and its warnings end here.
"""

import copy
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar

from aiohttp import web
from aiohttp_apispec import docs, json_schema, querystring_schema, setup_aiohttp_apispec
from aiohttp_apispec import validation_middleware as _validation_middleware
from marshmallow import Schema, ValidationError
from webargs.aiohttpparser import AIOHTTPParser

from server.handlers.http import openapi31, swagger
from server.handlers.http.openapi31 import PROBLEM_TYPE
from server.handlers.http.problems import NAMED_FIELDS, InvalidInputError
from server.handlers.schemas import CommandSchema, NewCommandSchema, ProblemSchema

MAX_CONTAINERS = 1000
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

View = TypeVar("View", bound=Callable[..., Any])

validation = _validation_middleware

ERRORS = {
    400: "The body is not JSON.",
    403: "Host or Origin is not let in.",
    404: "There is no such thing.",
    409: "Its state forbids it.",
    410: "The archive is damaged where it was to be read.",
    412: "It was changed meanwhile; `command` is what it is now.",
    413: "The body is larger than the bound.",
    415: "The body is not application/json.",
    416: "The range is outside of the output.",
    422: "Fields are wrong; `errors` names them.",
    503: "The database or the keeper cannot be reached, or a bound is reached; try again.",
}

CREATED = {"Location": {"type": "string", "description": "the path of what was made"}}
ETAG = {"ETag": {"type": "string", "description": "the command's version, for `If-Match`"}}

VERSIONED = (CommandSchema, NewCommandSchema)
"""The schemas of answers that tell a command's version."""

ERROR_HEADERS = {
    412: ETAG,
    416: {"Content-Range": {"type": "string", "description": "the output's size, `bytes */n`"}},
    503: {"Retry-After": {"type": "integer", "description": "after how many seconds to try again"}},
}


def operation(
    *,
    summary: str,
    description: str = "",
    tag: str,
    of: str | None = None,
    answers: Mapping[int, tuple[str, type[Schema] | None]],
    errors: Sequence[int] = (),
    body: type[Schema] | None = None,
    query: type[Schema] | None = None,
    produces: Sequence[str] = ("application/json",),
    headers: Sequence[Mapping[str, str]] = (),
) -> Callable[[View], View]:
    """Document a handler and have its input checked; `of` is what the id in its path names.

    The body's and the query's fields are found in `request["json"]` and
    `request["querystring"]`.
    """

    def decorate(view: View) -> View:
        described = docs(
            tags=[tag],
            summary=summary,
            description=description,
            operationId=view.__name__,
            **({} if body is None else {"consumes": ["application/json"]}),
            produces=[*produces, PROBLEM_TYPE],
            parameters=[
                *({"in": "header", "type": "string", **header} for header in headers),
                *([] if of is None else [_id_of(of)]),
            ],
            responses=_responses(answers, errors),
        )(view)
        if body is not None:
            described = json_schema(body)(described)
        if query is not None:
            described = querystring_schema(query)(described)
        documented: View = described
        return documented

    return decorate


def _id_of(thing: str) -> dict[str, Any]:
    return {
        "in": "path",
        "name": "id",
        "required": True,
        "type": "string",
        "format": "uuid",
        "description": f"the {thing}'s id",
    }


def _responses(
    answers: Mapping[int, tuple[str, type[Schema] | None]], errors: Sequence[int]
) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for status, (text, schema) in answers.items():
        described[str(status)] = {"description": text}
        if schema is not None:
            described[str(status)]["schema"] = schema
        headers = (CREATED if status == 201 else {}) | (ETAG if schema in VERSIONED else {})
        if headers:
            described[str(status)]["headers"] = headers
    for status in errors:
        described[str(status)] = {"description": ERRORS[status], "schema": ProblemSchema}
        if status in ERROR_HEADERS:
            described[str(status)]["headers"] = ERROR_HEADERS[status]
    return described


class _Parser(AIOHTTPParser):
    """Reads input strictly: a body is JSON or it is an error."""

    async def load_json(self, req: web.Request, schema: Schema) -> Any:
        body = await req.read()
        if not body:
            return {}
        try:
            _refuse_many_containers(body)
            read = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            told = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            text = told.partition(";")[0]  # Python's advice follows, where a number is too long
            raise web.HTTPBadRequest(text=f"The body is not JSON: {text}.") from error
        _refuse_many_unknown(read, schema)
        return read

    def load_querystring(self, req: web.Request, schema: Schema) -> Any:
        repeated = [name for name in req.query if len(req.query.getall(name)) > 1]
        if repeated:
            named = {name: ["Give it once."] for name in repeated[:NAMED_FIELDS]}
            raise InvalidInputError(named)
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        raise InvalidInputError(_by_field(error.messages)) from error


def _refuse_many_containers(body: bytes) -> None:
    """Refuse a body with so many lists and objects that reading it would hold the loop.

    Raises:
        InvalidInputError: it has more than MAX_CONTAINERS, not counting what stands in texts.
    """
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
        bare = _TEXT.sub(b"", body)
        if bare.count(b"[") + bare.count(b"{") > MAX_CONTAINERS:
            text = f"It has more than {MAX_CONTAINERS} lists and objects; no body here needs them."
            raise InvalidInputError({"body": [text]})


def _refuse_many_unknown(read: object, schema: Schema) -> None:
    """Refuse what has many unknown fields at once: marshmallow would tell them one by one."""
    if not isinstance(read, dict) or len(read) <= len(schema.fields) + NAMED_FIELDS:
        return
    unknown = [name for name in read if name not in schema.fields]
    named = {name: ["Unknown field."] for name in unknown[:NAMED_FIELDS]}
    raise InvalidInputError(named, more=len(unknown) - len(named))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _by_field(messages: Any) -> dict[str, list[str]]:
    """Flatten webargs' messages, which are by location and then by field."""
    by_field: dict[str, list[str]] = {}
    for found in messages.values():
        for name, texts in (found if isinstance(found, dict) else {"body": found}).items():
            field = "body" if name == "_schema" else name
            by_field.setdefault(field, []).extend(
                texts if isinstance(texts, list) else [str(texts)]
            )
    return by_field


@contextmanager
def _unspent(app: web.Application) -> Iterator[None]:
    """Leave handlers as they are: the library uses up what tells of them, with the first app."""
    views = {route.handler for route in app.router.routes()}
    told = {view: view.__dict__["__apispec__"] for view in views if hasattr(view, "__apispec__")}
    for view, spec in told.items():
        view.__dict__["__apispec__"] = copy.deepcopy(spec)
    yield
    for view, spec in told.items():
        view.__dict__["__apispec__"] = spec


def set_up_documentation(
    app: web.Application, *, version: str, prefix: str, base_path: str
) -> None:
    """Serve the documentation of all routes: /swagger/swagger.json and /swagger/openapi.json.

    The first is Swagger 2.0, the only version that the library writes, the second OpenAPI 3.1.
    Clients find the paths under `base_path`.
    """
    with warnings.catch_warnings(), _unspent(app):
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        setup_aiohttp_apispec(
            app,
            title="Tailrun",
            version=version,
            url=None,
            in_place=True,
            basePath=base_path or "/",
            info={
                "description": "Stores shell commands, runs them, and lets anyone watch a run"
                f" live. All paths are under {prefix}; errors are RFC 9457 problem details."
            },
        )
        app["_apispec_parser"] = _Parser()
        app["swagger_dict"] = document = swagger.valid(app["swagger_dict"])
    for name, told in {
        "swagger.json": document,
        "doc.json": document,  # as others call it
        "openapi.json": openapi31.translated(document),
    }.items():
        app.router.add_get(f"/swagger/{name}", partial(_answer, json.dumps(told).encode() + b"\n"))


async def _answer(body: bytes, _request: web.Request) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")
