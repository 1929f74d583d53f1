"""Answers are rendered as their schemas declare them."""

from datetime import UTC, datetime

import pytest

from server.handlers.http.rendering import plain
from server.handlers.schemas.commands import CommandSchema, NewCommandSchema
from server.handlers.schemas.runs import RunPageSchema, RunSchema, RunsSchema
from server.models import Command, RunState
from server.repositories.page import Page
from server.services.commands import CommandView
from server.services.running.live import RunView
from tests.support.runs import a_run


def a_view() -> RunView:
    return RunView(a_run(RunState.RUNNING), stopping=True, paused=False, output_bytes=7)


def a_command(last_run: RunView | None) -> CommandView:
    run = a_run()
    now = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    return CommandView(Command(run.command_id, "name", None, "a\r\nb", now, now), last_run)


def test_a_run_is_rendered_as_its_schema_would_dump_it() -> None:
    """But for the links, which the schema alone could not know."""
    view = a_view()
    rendered = plain(RunSchema.render(view, ""))
    del rendered["links"]
    assert rendered == RunSchema(exclude=["links"]).dump(view)
    assert rendered["output_bytes"] == 7


def test_the_links_of_a_run_begin_with_the_base_path() -> None:
    view = a_view()
    run, command = view.run.id, view.run.command_id
    assert RunSchema.render(view, "/tail")["links"] == {
        "self": f"/tail/api/v1/runs/{run}",
        "command": f"/tail/api/v1/commands/{command}",
        "output": f"/tail/api/v1/runs/{run}/output",
        "ws": f"/tail/api/v1/runs/{run}/ws",
    }


@pytest.mark.parametrize(
    ("schema", "name"), [(CommandSchema, "last_run"), (NewCommandSchema, "run")]
)
def test_a_command_is_rendered_with_its_run_or_without(
    schema: type[CommandSchema | NewCommandSchema], name: str
) -> None:
    view = a_view()
    rendered = plain(schema.render(a_command(view), ""))
    assert rendered[name] == plain(RunSchema.render(view, ""))
    assert "CRLF" in rendered["warnings"][0]
    assert rendered == {**plain(schema.render(a_command(None), "")), "id": rendered["id"]} | {
        name: rendered[name]
    }
    assert schema.render(a_command(None), "")[name] is None


def test_lists_are_rendered_item_by_item() -> None:
    view = a_view()
    page = RunPageSchema.render(Page([view, view], "next"), "")
    assert page == {"items": [RunSchema.render(view, "")] * 2, "next": "next"}
    assert RunsSchema.render(Page([], None), "") == {"items": []}
