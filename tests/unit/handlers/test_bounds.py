"""What is read of a body is bounded before it is read: nobody is served meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest
import re2
from marshmallow import Schema, ValidationError, fields, validate

from server.handlers.schemas import command_sets, commands, hooks, parameters, runs
from server.handlers.schemas.base import ShortDict, ShortList
from server.services import patterns

LARGEST = r"(\pL{9}|x%d)"
"""A pattern of some 11,000 instructions of RE2; it is another for each number."""


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note which patterns RE2 compiles."""
    noted: list[bytes] = []
    compile_pattern = re2.compile

    def compile_noted(pattern: bytes, options: Any) -> Any:
        noted.append(pattern)
        return compile_pattern(pattern, options)

    monkeypatch.setattr(re2, "compile", compile_noted)
    patterns._looked_at.cache_clear()
    return noted


def command(parameters: list[Any]) -> dict[str, Any]:
    return {"name": "x", "script": "true", "parameters": parameters}


def refusal(parameters: list[Any]) -> Any:
    with pytest.raises(ValidationError) as refused:
        commands.NewCommandBody().load(command(parameters))
    return refused.value.messages_dict["parameters"]


def large(count: int) -> list[dict[str, Any]]:
    return [{"name": f"P{n}", "pattern": LARGEST % n} for n in range(count)]


def test_of_too_many_parameters_none_is_read(compiled: list[bytes]) -> None:
    assert refusal(large(101)) == ["Longer than maximum length 100."]
    assert compiled == []


def test_patterns_that_are_too_large_together_are_not_compiled_to_the_last(
    compiled: list[bytes],
) -> None:
    [(number, said)] = refusal(large(100)).items()
    assert said == {
        "pattern": ["The patterns of the parameters up to this one are too large together."]
    }
    size = sum(patterns.size_of(LARGEST % n) for n in range(number))
    assert size <= parameters.PATTERNS_SIZE < size + patterns.size_of(LARGEST % number)
    assert len(compiled) == number + 1


def test_a_pattern_is_compiled_once_and_for_a_default_thrice(compiled: list[bytes]) -> None:
    parameters = [*large(3), {"name": "P", "pattern": r"\d+", "default": "7"}]
    commands.NewCommandBody().load(command(parameters))
    assert len(compiled) == 3 + 3


def test_patterns_that_re2_gives_up_are_bounded_too(compiled: list[bytes]) -> None:
    unreadable = [{"name": f"P{n}", "pattern": rf"\pL{{90}}|x{n}"} for n in range(100)]
    assert len(refusal(unreadable)) == 1
    assert len(compiled) <= parameters.PATTERNS_SIZE / patterns.UNREADABLE_SIZE + 1


def bounded(schema: type[Schema]) -> Iterator[fields.Field[Any]]:
    """Iterate over a schema's fields whose length is bounded, those of its parts, too."""
    for field in schema().fields.values():
        if any(isinstance(one, validate.Length) for one in field.validators):
            yield field
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from bounded(type(inner.schema))


@pytest.mark.parametrize(
    "schema",
    [
        *(commands.NewCommandBody, commands.CommandPatchBody),
        *(hooks.NewHookBody, command_sets.SetCommandSchema),
    ],
)
def test_lists_and_objects_are_counted_before_they_are_read(schema: type[Schema]) -> None:
    long = [one for one in bounded(schema) if isinstance(one, fields.List | fields.Dict)]
    assert long
    assert [one for one in long if not isinstance(one, ShortList | ShortDict)] == []


def test_of_too_many_entries_none_is_read() -> None:
    read: list[object] = []

    class Noted(fields.Raw):
        def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
            read.append(value)

    for field in (ShortList(Noted(), most=2, least=1), ShortDict(most=2, values=Noted())):
        for given in ([1, 2, 3], {"a": 1, "b": 2, "c": 3}, "x"):
            with pytest.raises(ValidationError):
                field.deserialize(given)
    assert read == []
    with pytest.raises(ValidationError, match="Length must be between 1 and 500"):
        runs.RunsDeletionBody().fields["ids"].deserialize([])
