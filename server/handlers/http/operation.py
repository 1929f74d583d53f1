"""What is documented of a route: what its handler says, and what follows from its path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, fields

from server.access import Right
from server.handlers.http.problems import Handler

ERRORS = {
    400: "The body is not JSON.",
    401: "Nobody is signed in, or the credential is none of ours.",
    403: "Whoever asks may not do it; or Host or Origin is refused.",
    404: "There is no such thing.",
    409: "Its state forbids it.",
    410: "The archive is damaged where it was to be read.",
    412: "It was changed meanwhile; `command` is what it is now.",
    413: "The body is larger than the limit.",
    415: "The body is not application/json.",
    416: "The range is outside of the output.",
    422: "Fields are wrong; `errors` names them.",
    429: "Too many wrong credentials came from this address; wait.",
    503: "The database or the keeper cannot be reached, or a limit is reached; try again.",
}

CREATED = {"Location": {"type": "string", "description": "the path of what was made"}}
ETAG = {"ETag": {"type": "string", "description": "the command's version, for `If-Match`"}}

ERROR_HEADERS = {
    412: ETAG,
    401: {"WWW-Authenticate": {"type": "string", "description": "`Bearer`"}},
    416: {"Content-Range": {"type": "string", "description": "the output's size, `bytes */n`"}},
    503: {"Retry-After": {"type": "integer", "description": "after how many seconds to try again"}},
}

BODY_ERRORS = (400, 413, 415, 422)
ALWAYS = (403, 503)
"""What every route may answer: the guard and the limits stand before all of them."""

CREDENTIAL_ERRORS = (401, 429)
"""What a route may answer that is not for everybody."""

SCHEMES = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Bearer` and a token.",
    },
    "session": {
        "type": "apiKey",
        "in": "header",
        "name": "Cookie",
        "description": "The page's cookie, `__Host-tailrun`; over plain HTTP `tailrun-PORT`.",
    },
}
"""How a client says whose it is, as Swagger 2.0 has it, which knows no bearer and no cookies."""

ID = "{id}"


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request that a route takes, and the errors that it may lead to."""

    name: str
    description: str
    errors: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A handler with its description, and the schemas that its input is checked against."""

    handler: Handler
    name: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, tuple[str, type[Schema] | None]]
    errors: Sequence[int]
    body: type[Schema] | None
    query: type[Schema] | None
    produces: Sequence[str]
    headers: Sequence[Header]
    answer_headers: Mapping[str, str]

    def parameters(self, path: str) -> list[dict[str, Any]]:
        """Describe what the headers and the path hold; `path` is relative to the API's."""
        found: list[dict[str, Any]] = [
            {"in": "header", "type": "string", "name": one.name, "description": one.description}
            for one in self.headers
        ]
        if ID in path:
            thing = path.partition("/")[0].removesuffix("s")
            found.append(
                {
                    "in": "path",
                    "name": "id",
                    "required": True,
                    "type": "string",
                    "format": "uuid",
                    "description": f"the {thing}'s id",
                }
            )
        return found

    def responses(self, path: str, right: Right) -> dict[str, Any]:
        """Describe the answers and the errors, by status."""
        described: dict[str, Any] = {}
        for status, (text, schema) in self.answers.items():
            described[str(status)] = {"description": text}
            if schema is not None:
                described[str(status)]["schema"] = schema
            # What was changed last at a known time has a version.
            has_version = schema is not None and "updated_at" in schema().fields
            headers = (CREATED if status == 201 else {}) | (ETAG if has_version else {})
            if status == 200:
                headers |= {
                    name: {"type": "integer", "description": text}
                    for name, text in self.answer_headers.items()
                }
            if headers:
                described[str(status)]["headers"] = headers
        for status in sorted(self._statuses(path, right)):
            described[str(status)] = {"description": ERRORS[status], "schema": ProblemSchema}
            if status in ERROR_HEADERS:
                described[str(status)]["headers"] = ERROR_HEADERS[status]
        return described

    @staticmethod
    def security(right: Right) -> list[dict[str, list[str]]]:
        """Describe which of SCHEMES lets a request in: one of them will do."""
        if right is Right.PUBLIC:
            return []
        ways: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
        return [*ways, {}]  # a local user needs none

    def _statuses(self, path: str, right: Right) -> set[int]:
        """Return the errors that the handler names, and those that follow from what it takes."""
        found = {*ALWAYS, *self.errors}
        if right is not Right.PUBLIC:
            found.update(CREDENTIAL_ERRORS)
        if self.body is not None:
            found.update(BODY_ERRORS)
        if self.query is not None:
            found.add(422)
        if ID in path:
            found.add(404)
        for header in self.headers:
            found.update(header.errors)
        return found


def operation(
    *,
    summary: str,
    tag: str,
    answers: Mapping[int, tuple[str, type[Schema] | None]],
    description: str = "",
    errors: Sequence[int] = (),
    body: type[Schema] | None = None,
    query: type[Schema] | None = None,
    produces: Sequence[str] = ("application/json",),
    headers: Sequence[Header] = (),
    answer_headers: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Handler], Operation]:
    """Describe a handler; `errors` are those that do not follow from its path and its input.

    The body's and the query's fields are found in `request["json"]` and
    `request["querystring"]`. `answer_headers` are numbers that an answer of status 200 may tell.
    """

    def describe(handler: Handler) -> Operation:
        return Operation(
            handler=handler,
            name=handler.__name__,
            tag=tag,
            summary=summary,
            description=description,
            answers=answers,
            errors=errors,
            body=body,
            query=query,
            produces=produces,
            headers=headers,
            answer_headers=answer_headers,
        )

    return describe


class ProblemSchema(Schema):
    """An error, as RFC 9457 has it."""

    type = fields.String(
        required=True, metadata={"description": "which kind of error, as docs/api.md lists them"}
    )
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "what is wrong, for people"})
    errors: Any = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "what is wrong, by field"},
    )
    command_id = fields.UUID(
        metadata={"description": "with 409: the command that has the key, if it may be seen"}
    )
    command = fields.Nested(
        "CommandSchema", metadata={"description": "with 412: the command as it is now"}
    )
