"""The API's documentation and the checking of its input, by aiohttp-apispec.

The only module that knows that library: it is untyped, and its warnings end here.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import hdrs, web
from aiohttp_apispec import docs, json_schema, querystring_schema, setup_aiohttp_apispec
from aiohttp_apispec import validation_middleware as _validation_middleware

from server.access import Right
from server.handlers.http import openapi31, swagger
from server.handlers.http.bodies import StrictParser
from server.handlers.http.negotiation import has_it_already
from server.handlers.http.openapi31 import PROBLEM_TYPE
from server.handlers.http.operation import SCHEMES, Operation
from server.handlers.http.problems import Handler
from server.handlers.http.rules import add_route

validation = _validation_middleware


def documented(operation: Operation, path: str, right: Right) -> Handler:
    """Return an operation's handler with its input checked and its description, for one path.

    It is made for one application: the library uses up what it finds at a handler.
    """
    handler = partial(operation.handler)
    docs(
        tags=[operation.tag],
        summary=operation.summary,
        description=operation.description,
        operationId=operation.name,
        **({} if operation.body is None else {"consumes": ["application/json"]}),
        produces=[*operation.produces, PROBLEM_TYPE],
        parameters=operation.parameters(path),
        responses=operation.responses(path, right),
        security=operation.security(right),
    )(handler)
    if operation.body is not None:
        json_schema(operation.body)(handler)
    if operation.query is not None:
        querystring_schema(operation.query)(handler)
    return handler


def set_up_documentation(
    app: web.Application, *, version: str, prefix: str, base_path: str
) -> None:
    """Serve the documentation of all routes: /swagger/swagger.json and /swagger/openapi.json.

    The first is Swagger 2.0, the only version that the library writes, the second OpenAPI 3.1.
    Clients find the paths under `base_path`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        setup_aiohttp_apispec(
            app,
            title="Tailrun",
            version=version,
            url=None,  # we serve the documents ourselves, once they are valid
            in_place=True,
            basePath=base_path or "/",
            securityDefinitions=SCHEMES,
            info={
                "description": "Stores shell commands, runs them, and lets anyone watch a run"
                f" live. All paths are under {prefix}; errors are RFC 9457 problem details."
            },
        )
        app["_apispec_parser"] = StrictParser()
        app["swagger_dict"] = document = swagger.valid(app["swagger_dict"])
    add_documents(
        app,
        {
            "swagger.json": document,
            "doc.json": document,  # as others call it
            "openapi.json": openapi31.translated(document),
        },
    )


def add_documents(app: web.Application, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """Serve documents under /swagger/ to everybody."""
    for name, document in documents.items():
        body = json.dumps(document).encode() + b"\n"
        answer = partial(_answer, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        for method in ["GET", "HEAD"]:
            add_route(app, method, f"/swagger/{name}", answer, Right.PUBLIC)


async def _answer(body: bytes, tag: str, request: web.Request) -> web.Response:
    headers = {"ETag": tag}
    if has_it_already(request.headers.get(hdrs.IF_NONE_MATCH, ""), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=body, headers=headers, content_type="application/json", charset="utf-8"
    )
