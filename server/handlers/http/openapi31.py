"""The API's description as OpenAPI 3.1, translated from Swagger 2.0: a function of documents.

https://spec.openapis.org/oas/v3.1.1.html; what the stream says is added, which Swagger 2.0 has no
words for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from server.handlers.http.swagger import DEFINITIONS, Document
from server.models import RunState

VERSION = "3.1.0"
PROBLEM_TYPE = "application/problem+json"
EVENTS_TYPE = "text/event-stream"
TEXT_TYPE = "text/plain"
COMPONENTS = "#/components/schemas/"

TEXT = {"type": "string", "description": "The exact bytes; most of them are UTF-8."}
EVENTS = {
    "type": "string",
    "description": "Events of type `message`. Each one's data is a StreamFrame, as JSON; the id of"
    " one with output is its `next`.",
    "x-event-data": {"$ref": f"{COMPONENTS}StreamFrame"},
}

KEPT = ("tags", "summary", "description", "operationId", "security")
OUTSIDE = ("name", "in", "required", "description")
"""What of a parameter is not part of its schema."""

_OFFSET = {"type": "integer", "minimum": 0}
_TIME = {"type": "number", "description": "Unix seconds"}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def _frame(name: str, description: str, **properties: object) -> Document:
    return {
        "type": "object",
        "description": description,
        "required": ["type", *properties],
        "properties": {"type": {"type": "string", "const": name}, **properties},
    }


SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-tailrun"},
}
"""How a client says whose it is, in words that Swagger 2.0 does not have."""

FRAMES = {
    "RunFrame": _frame(
        "run",
        "The run, at first and whenever its state changed.",
        run={"$ref": f"{COMPONENTS}Run"},
    ),
    "OutputFrame": _frame(
        "output",
        "Output from `offset` up to `next`; to go on from there is to ask for that offset.",
        offset=_OFFSET,
        next=_OFFSET,
        line={"type": "integer", "minimum": 1, "description": "the first byte's line"},
        time=_TIME,
        text={"type": "string", "description": "invalid bytes are U+FFFD"},
    ),
    "GrowthFrame": _frame(
        "growth",
        "How far the output is, in place of it where no text was asked for.",
        next=_OFFSET,
        lines={"type": "integer", "minimum": 0, "description": "how many newlines that is"},
        time=_TIME,
    ),
    "AliveFrame": _frame("alive", "All is well; nothing was said for 5 s.", time=_TIME),
    "EndFrame": _frame(
        "end",
        "How the run ended; the last frame.",
        state={"type": "string", "enum": [state.value for state in RunState if state.final]},
        exitcode={"type": ["integer", "null"]},
        signal=_TEXT_OR_NULL,
        reason=_TEXT_OR_NULL,
        end_time={"type": ["string", "null"], "format": "date-time"},
        output_bytes=_OFFSET,
        output_lines=_OFFSET,
    ),
    "RefusedFrame": _frame(
        "refused",
        "Why the viewer is not served; the last frame.",
        status={"type": "integer", "enum": [401, 403, 404, 410, 429, 503]},
        detail={"type": "string"},
    ),
}
"""What the stream says in the formats json and meta, and as events."""

_FRAME_OF_TYPE = {
    frame["properties"]["type"]["const"]: COMPONENTS + name for name, frame in FRAMES.items()
}
STREAM_FRAME = {
    "description": "A message of the stream in the formats json and meta; an event's data.",
    "oneOf": [{"$ref": reference} for reference in _FRAME_OF_TYPE.values()],
    "discriminator": {"propertyName": "type", "mapping": _FRAME_OF_TYPE},
}

_SEQUENCE = {"type": "integer", "minimum": 0, "description": "what to come back with, as `since`"}
_ID = {"type": "string", "format": "uuid"}
_WRITTEN = {
    "type": "object",
    "required": ["id", "output_bytes"],
    "properties": {"id": _ID, "output_bytes": _OFFSET},
}


def _event(name: str, description: str, **properties: object) -> Document:
    return _frame(name, description, sequence=_SEQUENCE, **properties)


EVENT_FRAMES = {
    "RunEvent": _event(
        "run",
        "A run was created or has changed.",
        run={"$ref": f"{COMPONENTS}NamedRun"},
    ),
    "CommandEvent": _event(
        "command",
        "A command was created or has changed.",
        command={"$ref": f"{COMPONENTS}Command"},
    ),
    "RunDeletedEvent": _event("run-deleted", "A run is no more.", id=_ID, command_id=_ID),
    "CommandDeletedEvent": _event(
        "command-deleted", "A command is no more, nor its runs, or may not be seen.", id=_ID
    ),
    "OutputBytesEvent": _event(
        "output-bytes",
        "What running runs have written; at most once a second.",
        runs={"type": "array", "items": _WRITTEN},
    ),
    "ResetEvent": _event("reset", "Changes may be missing: fetch anew what is shown."),
    "AliveEvent": _event("alive", "All is well; nothing was said for 5 s.", time=_TIME),
    "RefusedFrame": FRAMES["RefusedFrame"],
}
"""What the events say."""

_EVENT_OF_TYPE = {
    frame["properties"]["type"]["const"]: COMPONENTS + name for name, frame in EVENT_FRAMES.items()
}
EVENT_FRAME = {
    "description": "A message of the events.",
    "oneOf": [{"$ref": reference} for reference in _EVENT_OF_TYPE.values()],
    "discriminator": {"propertyName": "type", "mapping": _EVENT_OF_TYPE},
}


def translated(document: Mapping[str, Any]) -> Document:
    """Return a document of Swagger 2.0 (`swagger.valid`) as one of OpenAPI 3.1."""
    schemas = {name: _schema(schema) for name, schema in document["definitions"].items()}
    return {
        "openapi": VERSION,
        "info": document["info"],
        "servers": [{"url": document["basePath"]}],
        "paths": {
            path: {method: _operation(operation) for method, operation in methods.items()}
            for path, methods in document["paths"].items()
        },
        "components": {
            "schemas": schemas
            | FRAMES
            | EVENT_FRAMES
            | {"StreamFrame": STREAM_FRAME, "EventFrame": EVENT_FRAME},
            "securitySchemes": {
                name: SCHEMES[name] | {"description": scheme["description"]}
                for name, scheme in document["securityDefinitions"].items()
            },
        },
    }


def _operation(operation: Mapping[str, Any]) -> Document:
    translated: Document = {name: operation[name] for name in KEPT if name in operation}
    parameters = operation["parameters"]
    translated["parameters"] = [_parameter(one) for one in parameters if one["in"] != "body"]
    for body in parameters:
        if body["in"] == "body":
            content = _content(operation["consumes"], _schema(body["schema"]))
            translated["requestBody"] = {"required": body["required"], "content": content}
    translated["responses"] = {
        status: _answer(answer, operation["produces"])
        for status, answer in operation["responses"].items()
    }
    return translated


def _parameter(parameter: Mapping[str, Any]) -> Document:
    """Translate a parameter or a header; what values it takes is said by its schema now."""
    outside = {name: parameter[name] for name in OUTSIDE if name in parameter}
    inside = {name: value for name, value in parameter.items() if name not in OUTSIDE}
    return outside | {"schema": _schema(inside)}


def _answer(answer: Mapping[str, Any], produces: Sequence[str]) -> Document:
    translated: Document = {"description": answer["description"]}
    if "headers" in answer:
        headers = answer["headers"].items()
        translated["headers"] = {name: _parameter(header) for name, header in headers}
    if "schema" in answer:
        is_problem = answer["schema"] == {"$ref": f"{DEFINITIONS}Problem"}
        media_types = [one for one in produces if (one == PROBLEM_TYPE) is is_problem]
        translated["content"] = _content(media_types, _schema(answer["schema"]))
    return translated


def _content(media_types: Sequence[str], schema: Document) -> Document:
    schemas = {TEXT_TYPE: TEXT, EVENTS_TYPE: EVENTS}
    return {one: {"schema": schemas.get(one, schema)} for one in media_types}


def _schema(schema: Mapping[str, Any]) -> Document:
    """Translate a schema: what may be null is a matter of types, an example is one of several."""
    found = {name: value for name, value in schema.items() if name != "x-nullable"}
    if "$ref" in found:
        found["$ref"] = COMPONENTS + found["$ref"].removeprefix(DEFINITIONS)
    if "example" in found:
        found["examples"] = [found.pop("example")]
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), Mapping):
            found[name] = _schema(found[name])
    if "allOf" in found:
        found["allOf"] = [_schema(one) for one in found["allOf"]]
    if "properties" in found:
        found["properties"] = {name: _schema(one) for name, one in found["properties"].items()}
    return _or_null(found) if schema.get("x-nullable") else found


def _or_null(schema: Document) -> Document:
    if "allOf" in schema:
        one = schema.pop("allOf")
        return schema | {"anyOf": [*one, {"type": "null"}]}
    if "type" not in schema:  # any value, and null as well
        return schema
    schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema
