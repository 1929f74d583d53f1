"""That a stream is alive is told, and a run that has no log yet is waited for."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.test_sse import EventSource
from tests.support.client import Client, Start, joined
from tests.support.waiting import patience


async def test_a_viewer_that_hears_nothing_is_told_that_all_is_well(
    client: Client, subtests: pytest.Subtests
) -> None:
    """Over WebSocket and as events; a page cannot see pings."""
    run_id = await client.run("sleep 1000")
    async with patience(), client.connect(run_id, format="json") as stream:
        events = EventSource(client, run_id).connection()
        with subtests.test("websocket"):
            types = [(await stream.receive_json())["type"] for _ in range(4)]
            assert types[-2:] == ["alive", "alive"]
        with subtests.test("events"):
            types = [(await anext(events)).data["type"] for _ in range(3)]
            assert types[-1] == "alive"
            await events.aclose()
    await client.stop(run_id)


async def test_output_that_flows_tells_that_all_is_well(client: Client) -> None:
    run_id = await client.run("for i in $(seq 14); do echo $i; sleep 0.5; done")
    told = await client.stream(run_id, format="json")
    assert {message["type"] for message in told.messages} == {"run", "output", "end"}


async def test_a_queued_run_is_waited_for(start: Start, subtests: pytest.Subtests) -> None:
    """By every kind of viewer; nobody is told that a run that has not begun has ended."""
    client = await start(max_concurrent_runs="1")
    first = await client.run("sleep 1000")
    created = await client.create("echo one; echo two; exit 3")
    run_id = created["run"]["id"]
    path = f"runs/{run_id}/output?follow=true"
    assert await client.output(run_id) == b""
    async with (
        patience(),
        client.session.get(client.url(path)) as followed,
        client.session.ws_connect(client.url(f"commands/{created['id']}/ws")) as stream,
    ):
        events = asyncio.create_task(collect(EventSource(client, run_id)))
        info = await client.call("GET", f"commands/{created['id']}/info")
        assert (info["state"], info["output"]) == ("queued", "")
        await client.stop(first)
        with subtests.test("http"):
            assert await followed.read() == b"one\ntwo\n"
        with subtests.test("websocket"):
            texts = [message.data async for message in stream]
            assert "\n".join(texts) == "one\ntwo"  # one message, or one a line
        with subtests.test("events"):
            told = await events
            states = [one["run"]["state"] for one in told if one["type"] == "run"]
            assert states[0] == "queued"
            assert states[-1] == "running"
            assert joined(told) == "one\ntwo\n"
            assert told[-1]["exitcode"] == 3


async def test_followers_of_a_run_that_is_stopped_in_the_queue_are_let_go(start: Start) -> None:
    client = await start(max_concurrent_runs="1")
    first, queued = await client.run("sleep 1000"), await client.run("echo never")
    url = client.url(f"runs/{queued}/output?follow=true")
    async with patience(), client.session.get(url) as followed:
        await client.stop(queued)
        assert await followed.read() == b""
    await client.stop(first)


async def collect(source: EventSource) -> list[dict[str, Any]]:
    """Read all events of one connection."""
    return [event.data async for event in source.connection()]
