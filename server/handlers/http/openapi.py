"""The API's documentation and the checking of its input, by aiohttp-apispec.

The only module that knows that library: it is untyped, and its warnings end here.
"""

import warnings
from collections.abc import Iterable
from functools import partial

from aiohttp import web
from aiohttp_apispec import docs, json_schema, querystring_schema, setup_aiohttp_apispec
from aiohttp_apispec import validation_middleware as _validation_middleware

from server.access import Right
from server.handlers.http import swagger
from server.handlers.http.bodies import StrictParser
from server.handlers.http.openapi31 import PROBLEM_TYPE
from server.handlers.http.operation import SCHEMES, Operation
from server.handlers.http.problems import Handler
from server.handlers.http.swagger import Document

validation = _validation_middleware

Row = tuple[str, str, Right, Operation]
"""A route: its method, its path below the API's, the right that it asks for, what it does."""


def set_up_checking(app: web.Application) -> None:
    """Have the middleware read input strictly; nothing is documented by that."""
    _set_up(app)


def checked(operation: Operation) -> Handler:
    """Return an operation's handler with its input checked."""
    handler = partial(operation.handler)
    if operation.body is not None:
        json_schema(operation.body)(handler)
    if operation.query is not None:
        querystring_schema(operation.query)(handler)
    return handler


def described(rows: Iterable[Row], *, version: str, prefix: str, base_path: str) -> Document:
    """Return the description of routes in Swagger 2.0, the only version that the library writes.

    Clients find the paths under `base_path`. It takes some 200 ms.
    """
    # One that serves nothing: the library reads an application's routes.
    app = web.Application()
    for method, path, right, operation in rows:
        app.router.add_route(method, f"{prefix}/{path}", _documented(operation, path, right))
    _set_up(
        app,
        title="Tailrun",
        version=version,
        basePath=base_path or "/",
        securityDefinitions=SCHEMES,
        info={
            "description": "Stores shell commands, runs them, and lets anyone watch a run"
            f" live. All paths are under {prefix}; errors are RFC 9457 problem details."
        },
    )
    return swagger.valid(app["swagger_dict"])


def _documented(operation: Operation, path: str, right: Right) -> Handler:
    """Return a handler with its description; the library uses up what it finds at one."""
    handler = checked(operation)
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
    return handler


def _set_up(app: web.Application, **description: object) -> None:
    """Have the library describe the routes that there are by now, and read input strictly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        # Without a URL: we serve the documents ourselves, once they are valid.
        setup_aiohttp_apispec(app, url=None, in_place=True, **description)
        app["_apispec_parser"] = StrictParser()
