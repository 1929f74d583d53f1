"""Server-sent events: the stream where no WebSocket passes, for an EventSource as it is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson
import pytest

from tests.support.client import Client, joined
from tests.support.waiting import patience

EVENTS = {"Accept": "text/event-stream"}


class Event(NamedTuple):
    """What an EventSource hands to its page, and the id it remembers."""

    data: dict[str, Any]
    last_id: str


class EventSource:
    """Behaves as a browser's: reads fields, remembers the last id, comes back with it."""

    def __init__(self, client: Client, run_id: str, query: str = "") -> None:
        self._client = client
        self._url = client.url(f"runs/{run_id}/output?follow=true{query}")
        self.last_id = ""
        self.retry: int | None = None
        self.closed = False
        self.connections = 0

    async def connection(self) -> AsyncGenerator[Event, None]:
        """Connect, and iterate over the events until the answer ends."""
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        self.connections += 1
        async with self._client.session.get(self._url, headers={**EVENTS, **headers}) as response:
            self.closed = response.status != 200
            if self.closed:
                assert response.status == 204
                return
            assert response.content_type == "text/event-stream"
            assert response.headers["X-Accel-Buffering"] == "no"
            assert response.headers["Cache-Control"] == "no-store"
            fields: dict[str, str] = {}
            while line := (await response.content.readuntil(b"\n")).decode():
                if line != "\n":
                    name, _, value = line.rstrip("\n").partition(": ")
                    assert name not in fields
                    fields[name] = value
                    continue
                self.retry = int(fields.get("retry", self.retry or 0))
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    yield Event(orjson.loads(fields["data"]), self.last_id)
                fields = {}


async def told(source: EventSource) -> list[dict[str, Any]]:
    """Read all events of one connection."""
    async with patience():
        return [event.data async for event in source.connection()]


async def test_events_are_the_json_stream(client: Client, subtests: pytest.Subtests) -> None:
    run_id = await client.run("echo one; sleep 0.3; echo two; exit 3")
    for state in ["live", "archived"]:
        with subtests.test(state):
            source = EventSource(client, run_id)
            events = await told(source)
            assert events[0]["type"] == "run"
            assert joined(events) == "one\ntwo\n"
            assert (events[-1]["type"], events[-1]["exitcode"]) == ("end", 3)
            assert source.retry == 1000
            assert await told(source) == []
            assert source.closed
            await client.finished(run_id)
    with subtests.test("format=sse"):
        url = client.url(f"runs/{run_id}/output?format=sse&tail=1")
        async with client.session.get(url) as response:
            assert response.content_type == "text/event-stream"
            assert '"text":"two\\n"' in await response.text()


async def test_events_have_the_offset_of_the_following_as_id(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.2; printf 'z\\303\\274rich\\377'")
    source = EventSource(client, run_id)
    outputs = [one async for one in source.connection() if one.data["type"] == "output"]
    assert [one.last_id for one in outputs] == [str(one.data["next"]) for one in outputs]
    assert outputs[-1].last_id == "12"
    assert source.last_id == "end"


async def test_an_event_source_that_is_cut_a_hundred_times_ends_exact(client: Client) -> None:
    """Each byte comes once, before and after the run's end; the end comes once too."""
    last, cuts = 5_000_000, 100
    run_id = await client.run(f"seq {last}")
    source, pieces, ended, offset = EventSource(client, run_id), list[str](), 0, 0
    while not source.closed:
        async with patience(), aclosing(source.connection()) as events:
            async for event in events:
                ended += event.data["type"] == "end"
                if event.data["type"] == "output":
                    assert event.data["offset"] == offset
                    offset = event.data["next"]
                    pieces.append(event.data["text"])
                    if source.connections <= cuts:
                        break
    assert source.connections >= cuts
    assert ended == 1
    assert "".join(pieces) == "".join(f"{number}\n" for number in range(1, last + 1))


async def test_a_run_that_does_not_exist_is_refused_once(client: Client) -> None:
    """The answer opens, as an EventSource cannot read a status; then it is told to stay away."""
    source = EventSource(client, "00000000-0000-4000-8000-000000000000")
    [refused] = await told(source)
    assert (refused["type"], refused["status"]) == ("refused", 404)
    assert await told(source) == []
    assert source.closed


async def test_an_id_of_no_event_is_refused(client: Client, subtests: pytest.Subtests) -> None:
    run_id = await client.run("true")
    for last in ["-1", "x", "1e3", str(2**63), "9" * 5000]:
        with subtests.test(last[:20]):
            headers = {**EVENTS, "Last-Event-ID": last}
            path = f"runs/{run_id}/output?follow=true"
            refused = await client.call("GET", path, headers=headers, status=422)
            assert "Last-Event-ID" in refused["errors"]


async def test_asking_for_the_head_of_a_stream_follows_nothing(client: Client) -> None:
    run_id = await client.run("sleep 1000")
    for query in ["follow=true", "format=sse"]:
        url = client.url(f"runs/{run_id}/output?{query}")
        async with patience(), client.session.head(url) as response:
            assert response.status == 200
    await client.stop(run_id)
