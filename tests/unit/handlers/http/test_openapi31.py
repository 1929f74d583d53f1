"""Swagger 2.0 as OpenAPI 3.1: documents in, documents out."""

from typing import Any

import pytest

from server.handlers.http.openapi31 import translated

INFO = {"title": "Things", "version": "1"}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def component(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def a_document(**parts: Any) -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": INFO,
        "basePath": "/",
        "paths": {},
        "definitions": {},
        "securityDefinitions": {},
        **parts,
    }


def operation(**told: Any) -> Any:
    """Translate an operation."""
    defaults = {"parameters": [], "responses": {}, "produces": ["application/json"]}
    document = a_document(paths={"/things/{id}": {"get": {**defaults, **told}}})
    return translated(document)["paths"]["/things/{id}"]["get"]


def schema(told: dict[str, Any]) -> Any:
    """Translate a schema."""
    return translated(a_document(definitions={"Thing": told}))["components"]["schemas"]["Thing"]


def test_the_version_and_the_path_before_ours_are_told() -> None:
    document = translated(a_document(basePath="/tools"))
    assert document["openapi"] == "3.1.0"
    assert document["info"] == INFO
    assert document["servers"] == [{"url": "/tools"}]
    assert "swagger" not in document


def test_an_operation_keeps_what_it_is_called() -> None:
    told = operation(tags=["a"], summary="b", operationId="c", description="d", consumes=["e"])
    assert told == {
        "tags": ["a"],
        "summary": "b",
        "operationId": "c",
        "description": "d",
        "parameters": [],
        "responses": {},
    }


def test_a_parameters_type_is_its_schemas() -> None:
    told = operation(
        parameters=[
            {
                "in": "query",
                "name": "limit",
                "type": "integer",
                "default": 50,
                "minimum": 1,
                "required": False,
                "description": "items a page",
            },
            {"in": "header", "name": "Range", "type": "string"},
        ]
    )
    assert told["parameters"] == [
        {
            "in": "query",
            "name": "limit",
            "required": False,
            "description": "items a page",
            "schema": {"type": "integer", "default": 50, "minimum": 1},
        },
        {"in": "header", "name": "Range", "schema": {"type": "string"}},
    ]


def test_a_body_is_no_parameter() -> None:
    body = {"in": "body", "name": "body", "required": True, "schema": reference("Thing")}
    told = operation(parameters=[body], consumes=["application/json"])
    assert told["parameters"] == []
    assert told["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": component("Thing")}},
    }


def test_each_answer_has_the_media_types_that_it_comes_in() -> None:
    told = operation(
        produces=["application/json", "application/problem+json"],
        responses={
            "200": {"description": "it", "schema": reference("Thing")},
            "204": {"description": "nothing"},
            "404": {"description": "no", "schema": reference("Problem")},
        },
    )
    assert told["responses"] == {
        "200": {
            "description": "it",
            "content": {"application/json": {"schema": component("Thing")}},
        },
        "204": {"description": "nothing"},
        "404": {
            "description": "no",
            "content": {"application/problem+json": {"schema": component("Problem")}},
        },
    }


def test_text_is_a_string_and_events_hold_frames() -> None:
    told = operation(
        produces=["text/plain", "text/event-stream", "application/problem+json"],
        responses={
            "200": {"description": "", "schema": {"type": "string", "format": "binary"}},
        },
    )
    content = told["responses"]["200"]["content"]
    assert content["text/plain"]["schema"]["type"] == "string"
    assert "format" not in content["text/plain"]["schema"]
    events = content["text/event-stream"]["schema"]
    assert events["type"] == "string"
    assert events["x-event-data"] == component("StreamFrame")


def test_an_answers_headers_are_told() -> None:
    header = {"type": "integer", "description": "seconds"}
    told = operation(responses={"503": {"description": "", "headers": {"Retry-After": header}}})
    assert told["responses"]["503"]["headers"] == {
        "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["a"], "x-nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"allOf": [reference("Part")], "x-nullable": True},
            {"anyOf": [component("Part"), {"type": "null"}]},
        ),
        (
            {"allOf": [reference("Part")], "description": "a part"},
            {"allOf": [component("Part")], "description": "a part"},
        ),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        (
            {"type": "array", "items": {"type": "string", "x-nullable": True}},
            {"type": "array", "items": {"type": ["string", "null"]}},
        ),
        (
            {"type": "object", "additionalProperties": reference("Part")},
            {"type": "object", "additionalProperties": component("Part")},
        ),
        (
            {"type": "object", "additionalProperties": False, "required": ["a"]},
            {"type": "object", "additionalProperties": False, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"example": {"type": "string", "example": "x"}}},
            {"type": "object", "properties": {"example": {"type": "string", "examples": ["x"]}}},
        ),
    ],
)
def test_a_schema_is_translated(told: dict[str, Any], expected: dict[str, Any]) -> None:
    assert schema(told) == expected


def test_the_frames_of_the_stream_are_told_apart_by_their_type() -> None:
    schemas = translated(a_document())["components"]["schemas"]
    frame = schemas["StreamFrame"]
    mapping = frame["discriminator"]["mapping"]
    assert [*mapping] == ["run", "output", "growth", "alive", "end", "refused"]
    assert [{"$ref": one} for one in mapping.values()] == frame["oneOf"]
    for kind, one in mapping.items():
        told = schemas[one.rpartition("/")[2]]
        assert told["properties"]["type"]["const"] == kind
        assert told["required"] == [*told["properties"]]
    states = schemas["EndFrame"]["properties"]["state"]["enum"]
    assert states == ["succeeded", "failed", "stopped", "timed_out", "lost"]


def test_the_document_that_is_given_stays_as_it_is() -> None:
    def given() -> dict[str, Any]:
        thing = {"allOf": [reference("Part")], "x-nullable": True}
        enum = {"type": "string", "enum": ["a"], "x-nullable": True}
        return a_document(definitions={"Thing": thing, "Enum": enum})

    document = given()
    translated(document)
    assert document == given()
