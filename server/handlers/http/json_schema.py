"""What editors know of a file: JSON Schema, made of the schema that reads it.

https://json-schema.org/draft/2020-12
"""

from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMPONENTS = "#/components/schemas/"


def json_schema(schema: type[Schema], *, title: str) -> dict[str, Any]:
    """Return the JSON Schema of what a schema reads."""
    # OpenAPI 3.1 has the schemas of JSON Schema.
    spec = APISpec(title=title, version="1", openapi_version="3.1.0", plugins=[MarshmallowPlugin()])
    spec.components.schema("File", schema=schema)
    schemas = {name: _moved(one) for name, one in spec.to_dict()["components"]["schemas"].items()}
    top = schemas.pop("File")
    return {"$schema": DIALECT, "title": title, **top, "$defs": schemas}


def _moved(value: Any) -> Any:
    """Return a part of a document with its references as JSON Schema has them."""
    if isinstance(value, Mapping):
        moved = {name: _moved(one) for name, one in value.items()}
        if "$ref" in moved:
            moved["$ref"] = moved["$ref"].replace(COMPONENTS, "#/$defs/")
        if "example" in moved:
            moved["examples"] = [moved.pop("example")]
        return moved
    return [_moved(one) for one in value] if isinstance(value, list) else value
