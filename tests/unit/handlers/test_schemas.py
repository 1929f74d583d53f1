"""What goes in over HTTP: read, or refused by name."""

import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from server.handlers.schemas import base, commands, output, runs
from server.models import CommandChange, RunFilter, RunState
from server.output.start import Start

Json = dict[str, Any]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

BODIES: dict[type[Schema], type] = {
    commands.CommandBody: commands.ChangedCommand,
    commands.CommandPatchBody: commands.ChangedCommand,
    commands.NewCommandBody: commands.NewCommand,
    runs.StopBody: runs.Stop,
    runs.SignalBody: runs.Signal,
}
QUERIES: dict[type[Schema], type] = {
    base.PageQuery: base.PageAsked,
    commands.CommandsQuery: commands.CommandsAsked,
    runs.RunsQuery: runs.RunsAsked,
    output.StreamQuery: output.StreamAsked,
    output.OutputQuery: output.OutputAsked,
}


def errors(schema: type[Schema], given: Json) -> Json:
    with pytest.raises(ValidationError) as refused:
        schema().load(given)
    messages = refused.value.messages
    assert isinstance(messages, dict)
    return messages


def known_fields(schema: type[Schema], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.dictionaries(st.sampled_from(sorted(schema().fields)) | st.text(), values, max_size=4)


def read_type(schema: type[Schema], given: Any) -> type | None:
    """Return the type of what is read, None when all is refused."""
    try:
        return type(schema().load(given))
    except ValidationError:
        return None


@given(st.data())
@pytest.mark.parametrize(("schema", "value"), BODIES.items())
def test_any_json_is_read_or_refused(
    schema: type[Schema], value: type, data: st.DataObject
) -> None:
    given = data.draw(known_fields(schema, json_values) | json_values)
    assert read_type(schema, given) in (None, value)


@given(st.data())
@pytest.mark.parametrize(("schema", "value"), QUERIES.items())
def test_any_query_is_read_or_refused(
    schema: type[Schema], value: type, data: st.DataObject
) -> None:
    given = data.draw(known_fields(schema, st.text()))
    assert read_type(schema, given) in (None, value)


@given(st.text(), st.none() | st.text(), st.text())
def test_what_is_read_of_a_command_can_be_stored(
    name: str, description: str | None, script: str
) -> None:
    """PostgreSQL's text holds neither NUL nor what UTF-8 cannot write; the name's bound is 64."""
    given = {"name": name, "description": description, "script": script}
    texts = [text for text in given.values() if text is not None]
    try:
        read = commands.CommandBody().load(given)
    except ValidationError:
        storable = all("\0" not in text for text in texts)
        plain = all(one.isprintable() for one in name + (description or ""))
        assert not (storable and plain and name.strip() and script.strip() and len(name) <= 64)
    else:
        change = CommandChange(name=name, description=description, script=script)
        assert read == commands.ChangedCommand(change, {})
        assert not any(unicodedata.category(one) == "Cc" for one in name)
        assert not any("\0" in text for text in texts)
        assert len(name) <= 64


@pytest.mark.parametrize("name", ["a", "0", "default", "team-1.web_2", "x" * 63])
def test_a_group_is_named(name: str) -> None:
    new = commands.NewCommandBody().load({"name": "n", "script": "s", "group": name})
    assert new.group == name
    assert commands.CommandPatchBody().load({"group": name}).change.group == name
    assert runs.RunsQuery().load({"group": name}).group == name


@pytest.mark.parametrize(
    "name", ["", "*", "A", "-a", ".a", "a b", "a/b", "a\n", "ä", "x" * 64, None]
)
def test_an_odd_name_of_a_group_is_refused(name: object) -> None:
    given = {"name": "n", "script": "s", "group": name}
    for schema in [commands.NewCommandBody, commands.CommandBody, commands.CommandPatchBody]:
        assert set(errors(schema, given)) == {"group"}
    for query in [commands.CommandsQuery, runs.RunsQuery] if name is not None else []:
        assert set(errors(query, {"group": name})) == {"group"}


def test_lone_surrogates_are_refused() -> None:
    given = {"name": "\ud800", "description": "\udfff", "script": "echo \udc80"}
    assert set(errors(commands.CommandBody, given)) == {"name", "description", "script"}
    assert set(errors(commands.CommandsQuery, {"q": "\ud800"})) == {"q"}


def test_defaults_are_what_the_documentation_tells() -> None:
    new = commands.NewCommandBody().load({"name": "n", "script": "s"})
    assert new == commands.NewCommand(
        name="n",
        description=None,
        script="s",
        group="default",
        run_as=None,
        key=None,
        options={},
        values={},
        start=True,
    )
    assert runs.StopBody().load({}) == runs.Stop(signal="SIGTERM", grace_seconds=None)
    listed = commands.CommandsAsked(
        limit=50,
        cursor=None,
        q="",
        group=None,
        state=frozenset(),
        ids=frozenset(),
        key=None,
        name=None,
    )
    assert commands.CommandsQuery().load({}) == listed
    stream = output.StreamAsked(start=Start(), format="text", max_behind=None, deflate=False)
    assert output.StreamQuery().load({}) == stream
    whole = output.OutputAsked(
        start=Start(), lines=None, follow=False, format="raw", max_behind=None, text=True
    )
    assert output.OutputQuery().load({}) == whole


@pytest.mark.parametrize("start", ["true", "no", 2, None, []])
def test_start_is_a_json_boolean(start: object) -> None:
    given = {"name": "n", "script": "s", "start": start}
    assert set(errors(commands.NewCommandBody, given)) == {"start"}


@pytest.mark.parametrize("start", [True, False])
def test_start_is_read(start: object) -> None:
    read = commands.NewCommandBody().load({"name": "n", "script": "s", "start": start})
    assert read.start is start


@pytest.mark.parametrize("seconds", [-0.1, 86401, float("nan"), float("inf"), "soon", True, []])
def test_a_wrong_grace_is_refused(seconds: object) -> None:
    assert set(errors(runs.StopBody, {"grace_seconds": seconds})) == {"grace_seconds"}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"offset": "0", "tail": "0"}, {"offset", "tail"}),
        ({"tail": "1", "lines": "1-2"}, {"tail", "lines"}),
        ({"offset": "1", "tail": "1", "lines": "1"}, {"offset", "tail", "lines"}),
        ({"lines": "1-2", "follow": "true"}, {"lines"}),
        ({"max_bytes": "0"}, {"max_bytes"}),
        ({"max_bytes": "10", "follow": "true"}, {"max_bytes"}),
        ({"max_bytes": "10", "offset": "1", "format": "sse"}, {"max_bytes"}),
        ({"offset": "-1"}, {"offset"}),
        ({"tail": str(2**63)}, {"tail"}),
        ({"offset": "1.5"}, {"offset"}),
    ],
)
def test_a_part_of_the_output_is_asked_for_in_one_way(given: Json, fields: set[str]) -> None:
    assert set(errors(output.OutputQuery, given)) == fields


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"max_bytes": "10"}, {"max_bytes"}),
        ({"max_behind": "4096"}, {"max_behind"}),
        ({"max_behind": "4096", "format": "raw"}, {"max_behind"}),
        ({"max_behind": "4095", "format": "json"}, {"max_behind"}),
        ({"max_behind": "4096", "format": "meta"}, {"max_behind"}),
        ({"tail": "1", "max_bytes": "10", "format": "meta"}, {"tail", "max_bytes"}),
        ({"offset": "1", "format": "meta"}, {"offset"}),
        ({"max_behind": "4096", "format": "json"}, set()),
        ({"tail": "1", "max_bytes": "10"}, set()),
        ({"format": "meta"}, set()),
    ],
)
def test_a_stream_is_bounded_where_it_tells_what_it_leaves_out(
    given: Json, fields: set[str]
) -> None:
    assert set(output.StreamQuery().validate(given)) == fields


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"max_behind": "4096"}, {"max_behind"}),
        ({"text": "false"}, {"text"}),
        ({"text": "false", "follow": "true"}, {"text"}),
        ({"text": "false", "format": "sse", "offset": "1"}, {"offset"}),
        ({"text": "false", "format": "sse"}, set()),
        ({"text": "true"}, set()),
        ({"max_behind": "4096", "format": "sse"}, set()),
    ],
)
def test_events_are_bounded_as_a_stream_is(given: Json, fields: set[str]) -> None:
    assert set(output.OutputQuery().validate(given)) == fields


def test_every_state_can_be_asked_for() -> None:
    for state in RunState:
        assert runs.RunsQuery().load({"state": state.value}).runs.states == {state}
    several = runs.RunsQuery().load({"state": "failed,lost"})
    assert several.runs.states == {RunState.FAILED, RunState.LOST}
    assert commands.CommandsQuery().load({"state": "lost"}).state == {RunState.LOST}


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"state": "failed,asleep"}, "state", "'asleep'; those that there are: queued, running,"),
        ({"state": ""}, "state", "''"),
        ({"since": "yesterday"}, "since", "datetime"),
        ({"min_seconds": "-1"}, "min_seconds", "greater"),
        ({"min_seconds": "2", "max_seconds": "1"}, "max_seconds", "less than min_seconds"),
        ({"max_seconds": "1e10"}, "max_seconds", "less"),
        ({"exitcode": "2147483648"}, "exitcode", "less"),
        ({"retry_of": "first"}, "retry_of", "UUID"),
        ({"host": "\0"}, "host", "NUL"),
        ({"pool": "Build"}, "pool", "a-z"),
        ({"q": "\0"}, "q", "NUL"),
        ({"embed": "output"}, "embed", "command"),
        ({"colour": "red"}, "colour", "Unknown"),
    ],
)
def test_a_wrong_filter_of_runs_is_refused(given: Json, field: str, told: str) -> None:
    refused = errors(runs.RunsQuery, given)
    assert [*refused] == [field]
    assert told in refused[field][0]


def test_all_that_runs_are_asked_by_is_read() -> None:
    command, before = uuid4(), uuid4()
    given = {"command_id": str(command), "exitcode": "-3", "q": "disk full", "embed": "command"}
    given |= {"retry_of": str(before), "host": "h", "pool": "build"}
    times = {"since": "2026-01-02T03:04:05", "until": "2026-01-02T03:04:05+03:00"}
    asked = runs.RunsQuery().load({**given, **times, "min_seconds": "0.5", "max_seconds": "60"})
    assert asked.embed
    assert asked.runs == RunFilter(
        command_id=command,
        since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        until=datetime(2026, 1, 2, 0, 4, 5, tzinfo=UTC),
        min_seconds=0.5,
        max_seconds=60,
        exitcode=-3,
        retry_of=before,
        host="h",
        pool="build",
        reason="disk full",
    )


@pytest.mark.parametrize("ids", [[], ["x"], None, [str(uuid4())] * 501])
def test_a_wrong_list_of_runs_to_delete_is_refused(ids: object) -> None:
    assert set(errors(runs.RunsDeletionBody, {"ids": ids})) == {"ids"}


@pytest.mark.parametrize("body", [commands.NewCommandBody, commands.CommandBody])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\x1b[31mb", "U+001B"),
        ("a\nb", "U+000A"),
        ("a\x7f", "U+007F"),
        ("a\x9b", "U+009B"),
        ("a\u202eb", "U+202E"),
        ("\u2066a", "U+2066"),
        ("a\u200f", "U+200F"),
        ("a\u061c", "U+061C"),
        ("a\u2028b", "U+2028"),
        ("\u200b", "visible"),
        ("\u200b\u2060\ufeff \u00a0", "visible"),
        ("\u3164", "visible"),
        ("\u2800", "visible"),
        ("\u0301", "visible"),
        ("", "empty"),
        ("\u200b" * 1_000_000, "visible"),
    ],
)
def test_a_name_that_deceives_or_is_not_seen_is_refused(
    body: type[Schema], name: str, told: str
) -> None:
    assert told in " ".join(errors(body, {"name": name, "script": "true"})["name"])


@pytest.mark.parametrize(
    "name", ["a", "резерв", "👩\u200d💻", "नमस्ते", "\u0645\u06cc\u200c\u062e", "é", "\ue000", "…"]
)
def test_a_name_of_any_script_is_taken(name: str) -> None:
    assert commands.NewCommandBody().load({"name": name, "script": "true"}).name == name


def test_a_description_has_lines_and_tabs_and_no_other_controls() -> None:
    def told(description: str) -> Json:
        return {"name": "n", "script": "s", "description": description}

    assert commands.NewCommandBody().load(told("a\r\n\tb")).description == "a\r\n\tb"
    for description in ["\x1b[2J", "\u202e", "\x00", "\x85"]:
        assert set(errors(commands.NewCommandBody, told(description))) == {"description"}


def test_what_is_only_read_is_let_through_to_be_compared() -> None:
    given = {"name": "n", "script": "s"} | dict.fromkeys(commands.READ_ONLY, 1)
    read = commands.CommandBody().load(given)
    assert read.compared == dict.fromkeys(commands.COMPARED, 1)
    assert set(errors(commands.CommandBody, given | {"colour": 1, "name": 5})) == {"colour", "name"}
    assert set(errors(commands.NewCommandBody, given)) == commands.READ_ONLY


def test_a_patch_changes_something() -> None:
    emptied = CommandChange(description=None)
    assert commands.CommandPatchBody().load({"description": None}).change == emptied
    kept = CommandChange(name="n", keep_description=True)
    assert commands.CommandPatchBody().load({"name": "n"}).change == kept
    for nothing in ({}, {"id": 1}):
        assert "name, description, script, group, run_as, key, or of parameters" in str(
            errors(commands.CommandPatchBody, nothing)
        )
