"""Answers are rendered as their schemas declare them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.handlers.http.rendering import MayOf, nothing, plain
from server.handlers.schemas.commands import CommandPageSchema, CommandSchema, NewCommandSchema
from server.handlers.schemas.run_answers import RunPageSchema, RunSchema, RunsSchema
from server.models import Command, Run, RunState
from server.repositories.page import Page
from server.services.hosts.roll import HostSeen
from server.services.running.live import RunView
from server.services.views import CommandView
from tests.support.runs import a_run


def a_view() -> RunView:
    return RunView(a_run(RunState.RUNNING), stopping=True, paused=False, output_bytes=7)


def a_command(last_run: RunView | None) -> CommandView:
    run = a_run()
    now = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    return CommandView(Command(run.command_id, "name", None, "a\r\nb", "web", now, now), last_run)


everything = MayOf(lambda _: ["see", "operate", "edit", "administer"])


def test_whoever_may_not_operate_it_sees_no_script() -> None:
    view = a_command(a_view())
    shown = plain(CommandSchema.render(view, "", everything))
    assert (shown["script"], shown["group"]) == ("a\r\nb", "web")
    for may_of in [nothing, MayOf(lambda _: ["see"]), MayOf(lambda _: ["see", "administer"])]:
        hidden = plain(CommandSchema.render(view, "", may_of))
        assert (hidden["script"], hidden["warnings"]) == (None, [])
        assert "a\r\nb" not in str(hidden)
        assert hidden["name"] == shown["name"]


def test_an_answer_says_what_may_be_done_with_each_command() -> None:
    views = [a_command(a_view()), a_command(None)]
    run = views[0].last_run
    assert run is not None
    may = {
        views[0].command.id: ["see"],
        views[1].command.id: ["see", "operate"],
        run.run.command_id: ["see", "operate", "edit"],
    }
    items = CommandPageSchema.render(Page(views, None), "", MayOf(may.__getitem__))["items"]
    told = [items[0]["may"], items[1]["may"], items[0]["last_run"]["may"]]
    assert told == [*may.values()]


def test_a_run_is_rendered_as_its_schema_would_dump_it() -> None:
    """But for what the schema alone could not know."""
    view = a_view()
    rendered = plain(RunSchema.render(view, "", MayOf(lambda _: ["see", "operate"])))
    known_otherwise = ["links", "may", "host_name", "away_since"]
    for name in known_otherwise:
        del rendered[name]
    assert rendered == RunSchema(exclude=known_otherwise).dump(view)
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
    rendered = plain(schema.render(a_command(view), "", everything))
    assert rendered[name] == plain(RunSchema.render(view, "", everything))
    assert "CRLF" in rendered["warnings"][0]
    alone = plain(schema.render(a_command(None), "", everything))
    assert rendered == {**alone, "id": rendered["id"]} | {name: rendered[name]}
    assert schema.render(a_command(None), "")[name] is None


def test_lists_are_rendered_item_by_item() -> None:
    view = a_view()
    page = RunPageSchema.render(Page([view, view], "next"), "")
    assert page == {"items": [RunSchema.render(view, "")] * 2, "next": "next"}
    assert RunsSchema.render(Page([], None), "") == {"items": []}


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (a_run(RunState.RUNNING), ("build-1", "2026-01-02T03:04:05+00:00")),
        (a_run(RunState.LOST), ("build-1", None)),  # it is known what became of it
        (replace(a_run(), host=None), (None, None)),
        (replace(a_run(RunState.RUNNING), host="other"), (None, None)),
    ],
)
def test_a_run_is_told_with_the_host_that_has_it(
    run: Run, told: tuple[str | None, str | None]
) -> None:
    seen = {"host": HostSeen("build-1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))}
    view = RunView(run, stopping=False, paused=False, output_bytes=0)
    shown = plain(RunSchema.render(view, "", MayOf(lambda _: [], seen.get)))
    assert (shown["host"], shown["host_name"], shown["away_since"]) == (run.host, *told)
