"""What apispec writes, made valid: documents in, documents out."""

from typing import Any

from server.handlers.http.swagger import valid

PROBLEM = {
    "type": "object",
    "properties": {"detail": {"type": "string"}, "errors": {"type": "object"}},
    "required": ["detail"],
    "additionalProperties": False,
}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{name}"}


def a_document(
    operation: dict[str, Any] | None = None, definitions: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Make a document of one operation."""
    told = {"parameters": [], "responses": {}, **(operation or {})}
    return {
        "swagger": "2.0",
        "paths": {"/things": {"get": told}},
        "definitions": definitions or {},
    }


def parameters(*told: dict[str, Any]) -> list[dict[str, Any]]:
    document = valid(a_document({"parameters": [*told]}))
    found: list[dict[str, Any]] = document["paths"]["/things"]["get"]["parameters"]
    return found


def definition(told: dict[str, Any]) -> Any:
    return valid(a_document(definitions={"Thing": told}))["definitions"]["Thing"]


def test_a_default_that_is_none_is_left_out() -> None:
    assert parameters(
        {"in": "query", "name": "a", "default": None, "x-nullable": True},
        {"in": "query", "name": "b", "default": 0},
        {"in": "query", "name": "c", "default": False},
    ) == [
        {"in": "query", "name": "a"},
        {"in": "query", "name": "b", "default": 0},
        {"in": "query", "name": "c", "default": False},
    ]
    told = {"properties": {"default": {"type": "string", "default": None}}}
    assert definition(told) == {"properties": {"default": {"type": "string"}}}


def test_null_is_none_of_the_values_of_an_enumeration() -> None:
    [parameter] = parameters({"in": "query", "name": "a", "enum": ["x", "y", None]})
    assert parameter["enum"] == ["x", "y"]


def test_what_stands_beside_a_reference_counts() -> None:
    told = {
        "properties": {
            "one": {**reference("Other"), "x-nullable": True},
            "many": {"type": "array", "items": {**reference("Other"), "x-nullable": True}},
            "plain": reference("Other"),
        }
    }
    nullable = {"allOf": [reference("Other")], "x-nullable": True}
    assert definition(told)["properties"] == {
        "one": nullable,
        "many": {"type": "array", "items": nullable},
        "plain": reference("Other"),
    }


def test_a_body_is_required_that_has_a_required_field() -> None:
    definitions = {
        "Asked": {"type": "object", "properties": {}, "required": ["name"]},
        "Free": {"type": "object", "properties": {}},
    }
    for name, required in [("Asked", True), ("Free", False)]:
        body = {"in": "body", "name": "body", "required": False, "schema": reference(name)}
        document = valid(a_document({"parameters": [body]}, definitions))
        [told] = document["paths"]["/things"]["get"]["parameters"]
        assert told["required"] is required


def test_an_answer_that_is_neither_json_nor_empty_is_bytes() -> None:
    responses = {
        "101": {"description": "a stream"},
        "200": {"description": "all"},
        "204": {"description": "nothing"},
        "206": {"description": "a part"},
    }
    told = valid(a_document({"responses": responses}))["paths"]["/things"]["get"]["responses"]
    schemas = {status: answer.get("schema") for status, answer in told.items()}
    binary = {"type": "string", "format": "binary"}
    assert schemas == {"101": None, "200": binary, "204": None, "206": binary}


def test_what_is_answered_has_all_its_fields_and_may_have_others_some_day() -> None:
    thing = {
        "type": "object",
        "properties": {"b": {"type": "string"}, "a": {**reference("Part"), "x-nullable": True}},
        "additionalProperties": False,
    }
    part = {
        "type": "object",
        "properties": {
            "c": {"type": "object", "additionalProperties": {"type": "string"}},
            "whole": {"type": "array", "items": reference("Thing")},
        },
        "additionalProperties": {"type": "string"},
    }
    sent = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    responses = {
        "200": {"description": "", "schema": reference("Thing")},
        "404": {"description": "", "schema": reference("Problem")},
    }
    definitions = {"Thing": thing, "Part": part, "Problem": PROBLEM, "Sent": sent}
    told = valid(a_document({"responses": responses}, definitions))["definitions"]
    assert told["Thing"]["required"] == ["a", "b"]
    assert "additionalProperties" not in told["Thing"]
    assert told["Part"] == {"required": ["c", "whole"], **part}
    assert told["Problem"]["required"] == ["detail"]
    assert told["Sent"] == sent


def test_the_document_that_is_given_stays_as_it_is() -> None:
    given = a_document({"parameters": [{"in": "query", "name": "a", "default": None}]})
    valid(given)
    assert given == a_document({"parameters": [{"in": "query", "name": "a", "default": None}]})
