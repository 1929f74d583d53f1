"""What apispec writes of the API, made valid and exact: from a document to a document.

https://swagger.io/specification/v2/
"""

from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]

DEFINITIONS = "#/definitions/"
WITH_CONTENT = ("200", "206")
BYTES = {"type": "string", "format": "binary"}


def valid(document: Mapping[str, Any]) -> Document:
    """Return the document as Swagger 2.0 has it.

    A value that is absent is no default, nor one of an enumeration's; what stands beside a
    reference counts; a body with a required field is required; an answer that is neither JSON nor
    empty is bytes. What is answered has all of its fields, unless its schema names those that it
    always has, and a client must expect others some day.
    """
    paths = {
        path: {method: _operation(operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    definitions = {name: _schema(told) for name, told in document["definitions"].items()}
    for name in _reached(paths, definitions):
        definitions[name] = _answered(definitions[name])
    for operation in operations(paths):
        for parameter in operation["parameters"]:
            if parameter["in"] == "body":
                name = parameter["schema"]["$ref"].removeprefix(DEFINITIONS)
                parameter["required"] = "required" in definitions[name]
    return {**document, "paths": paths, "definitions": definitions}


def operations(paths: Mapping[str, Any]) -> Iterator[Document]:
    """Iterate over all operations of a document."""
    for methods in paths.values():
        yield from methods.values()


def _operation(operation: Mapping[str, Any]) -> Document:
    responses = {status: _answer(status, one) for status, one in operation["responses"].items()}
    parameters = [_parameter(one) for one in operation["parameters"]]
    return {**operation, "parameters": parameters, "responses": responses}


def _answer(status: str, answer: Mapping[str, Any]) -> Document:
    is_bytes = status in WITH_CONTENT and "schema" not in answer
    return {**answer, "schema": BYTES} if is_bytes else {**answer}


def _parameter(parameter: Mapping[str, Any]) -> Document:
    """Tell a parameter: one that is not given is absent, and never null."""
    return {name: value for name, value in _schema(parameter).items() if name != "x-nullable"}


def _schema(schema: Mapping[str, Any]) -> Document:
    found = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if value is not None]
    if "$ref" in found and len(found) > 1:
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    if "properties" in found:
        found["properties"] = {name: _schema(one) for name, one in found["properties"].items()}
    if "items" in found:
        found["items"] = _schema(found["items"])
    return found


def _answered(schema: Mapping[str, Any]) -> Document:
    found = {"required": sorted(schema["properties"]), **schema}
    if found.get("additionalProperties") is False:
        del found["additionalProperties"]
    return found


def _reached(paths: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """Return the names of the definitions that answers are made of."""
    found: set[str] = set()
    ahead = [operation["responses"] for operation in operations(paths)]
    while ahead:
        new = set(_references(ahead.pop())) - found
        found |= new
        ahead.extend(definitions[name] for name in new)
    return found


def _references(value: object) -> Iterator[str]:
    """Iterate over the names of the definitions that a part of a document refers to."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].removeprefix(DEFINITIONS)
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
