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

    What is answered has all of its fields, unless its schema names those that it always has.
    """
    paths = {
        path: {method: _operation(operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    definitions = {name: _schema(schema) for name, schema in document["definitions"].items()}
    for name in _reached(paths, definitions):
        answer = {"required": sorted(definitions[name]["properties"]), **definitions[name]}
        if answer.get("additionalProperties") is False:
            del answer["additionalProperties"]  # a client must expect further fields some day
        definitions[name] = answer
    for operation in operations(paths):
        for parameter in operation["parameters"]:
            if parameter["in"] == "body":
                name = parameter["schema"]["$ref"].removeprefix(DEFINITIONS)
                # A body is required if one of its fields is.
                parameter["required"] = "required" in definitions[name]
    return {**document, "paths": paths, "definitions": definitions}


def operations(paths: Mapping[str, Any]) -> Iterator[Document]:
    """Iterate over all operations of a document."""
    for methods in paths.values():
        yield from methods.values()


def _operation(operation: Mapping[str, Any]) -> Document:
    responses = {
        # What is neither JSON nor empty is bytes.
        status: {"schema": BYTES, **answer} if status in WITH_CONTENT else {**answer}
        for status, answer in operation["responses"].items()
    }
    parameters = [
        # One that is not given is absent, and never null.
        {name: value for name, value in _schema(parameter).items() if name != "x-nullable"}
        for parameter in operation["parameters"]
    ]
    return {**operation, "parameters": parameters, "responses": responses}


def _schema(schema: Mapping[str, Any]) -> Document:
    # None is neither a default nor a value of an enumeration: it says that there is none.
    found = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
    if "enum" in found:
        found["enum"] = [value for value in found["enum"] if value is not None]
    # Swagger ignores what stands beside a reference, unless that is within `allOf`.
    if "$ref" in found and len(found) > 1:
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    if "properties" in found:
        found["properties"] = {name: _schema(one) for name, one in found["properties"].items()}
    if "items" in found:
        found["items"] = _schema(found["items"])
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
