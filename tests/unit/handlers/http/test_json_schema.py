"""What editors are told of files of commands is what reads them."""

from typing import Any

from server.handlers.http.json_schema import json_schema
from server.handlers.schemas.command_sets import CommandsFileSchema
from server.handlers.schemas.definition import OPTIONS


def references(value: Any) -> set[str]:
    """Return what a part of a schema refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_each_field_of_a_command_is_told() -> None:
    schema = json_schema(CommandsFileSchema, title="commands")
    command = schema["$defs"][schema["properties"]["commands"]["items"]["$ref"][8:]]
    assert set(command["properties"]) >= {*OPTIONS, "key", "name", "script", "script_file"}
    assert command["required"] == ["key"]
    assert command["additionalProperties"] is False
    parameter = schema["$defs"]["Parameter"]
    assert "secret" in parameter["properties"]["type"]["enum"]
    assert parameter["additionalProperties"] is False


def test_schedules_and_hooks_are_told_without_secrets() -> None:
    definitions = json_schema(CommandsFileSchema, title="commands")["$defs"]
    assert {"schedules", "hooks"} <= definitions["FileCommand"]["properties"].keys()
    assert definitions["SetSchedule"]["required"] == ["cron"]
    assert set(definitions["SetHook"]["properties"]) == {
        "name",
        "scheme",
        "events",
        "parameters",
        "enabled",
    }
    assert definitions["SetHook"]["additionalProperties"] is False


def test_it_refers_to_nothing_but_its_own_parts() -> None:
    schema = json_schema(CommandsFileSchema, title="commands")
    assert references(schema) == {f"#/$defs/{name}" for name in schema["$defs"]}
