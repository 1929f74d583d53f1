"""The events: what changes is told to whoever may see it, as the API shows it to them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from server.handlers.http import keys
from server.repositories.database.database import Database
from server.services.events.changes import FleetPart
from tests.integration.handlers.harness import Api, Claimed, Serve
from tests.support.waiting import patience
from tests.support.workers import add_worker


class Listener:
    """Somebody who is told what changes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sequence = 0

    async def next(self, *types: str) -> dict[str, Any]:
        """Return the next frame of one of these types; any if none is named, but no `alive`."""
        async with patience():
            while True:
                frame: dict[str, Any] = await self.socket.receive_json()
                assert frame["sequence"] >= self.sequence
                self.sequence = frame["sequence"]
                if frame["type"] in types or (not types and frame["type"] != "alive"):
                    return frame

    async def until(self, run_id: str, **fields: object) -> dict[str, Any]:
        """Return a run as it is told of once it has these fields."""
        while True:
            run: dict[str, Any] = (await self.next("run"))["run"]
            if run["id"] == run_id and fields.items() <= run.items():
                return run


@asynccontextmanager
async def listening(
    api: Api, claim: str | None = None, since: int | None = None
) -> AsyncIterator[Listener]:
    """Listen to the events, as somebody."""
    headers = {} if claim is None else {"As": claim}
    query = "" if since is None else f"?since={since}"
    async with api.client.ws_connect(f"/api/v1/events{query}", headers=headers) as socket:
        yield Listener(socket)


async def test_a_runs_life_is_told_as_lists_show_it(api: Api) -> None:
    async with listening(api) as listener:
        assert (await listener.next())["type"] == "reset"
        created = await api.create("exec sleep 1000", name="life")
        run_id = created["run"]["id"]
        running = await listener.until(run_id, state="running")
        assert running["command"] == {"id": created["id"], "name": "life", "group": "default"}
        signal = {"signal": "SIGSTOP"}
        await api.call("POST", f"runs/{run_id}/signal", json=signal, status=202)
        await listener.until(run_id, paused=True)
        await api.call("POST", f"runs/{run_id}/stop", json={"grace_seconds": 0}, status=202)
        stopping = await listener.until(run_id, stopping=True)
        assert (stopping["state"], stopping["paused"]) == ("running", False)
        ended = await listener.until(run_id, state="stopped")
        [listed] = (await api.call("GET", "runs/?embed=command", status=200))["items"]
        assert ended == listed
        await api.call("DELETE", f"runs/{run_id}", status=204)
        gone = await listener.next("run-deleted")
        assert (gone["id"], gone["command_id"]) == (run_id, created["id"])


async def test_a_command_is_told_as_lists_show_it(api: Api) -> None:
    async with listening(api) as listener:
        await listener.next("reset")
        created = await api.create("x" * 5000, name="first", start=False)
        [listed] = (await api.call("GET", "commands/", status=200))["items"]
        assert (await listener.next("command"))["command"] == listed
        assert listed["script_truncated"]
        path = f"commands/{created['id']}"
        changed = await api.call("PATCH", path, json={"script": "true", "name": "b"}, status=200)
        assert (await listener.next("command"))["command"] == changed
        run = await api.call("POST", f"{path}/runs", status=201)
        ended = await listener.until(run["id"], state="succeeded")
        assert ended["command"]["name"] == "b"
        await api.call("DELETE", path, status=204)
        assert (await listener.next())["id"] == created["id"]


async def test_runs_that_are_deleted_together_are_each_told_of(api: Api) -> None:
    ids = [await api.run("true") for _ in range(3)]
    for run_id in ids:
        await api.ended(run_id)
    async with listening(api) as listener:
        await listener.next("reset")
        await api.call("POST", "runs/delete", json={"ids": ids}, status=200)
        assert [(await listener.next("run-deleted"))["id"] for _ in ids] == ids


async def test_who_comes_back_misses_nothing(api: Api) -> None:
    async with listening(api) as listener:
        since = (await listener.next("reset"))["sequence"]
    one = await api.create("true", start=False)
    other = await api.create("true", start=False)
    async with listening(api, since=since) as listener:
        first = await listener.next()
        assert first["command"]["id"] == one["id"]
        assert (await listener.next())["command"]["id"] == other["id"]
    async with listening(api, since=first["sequence"]) as listener:
        alive = await listener.next("alive", "reset")  # at once: it is heard
        assert alive["type"] == "alive"
        assert (await listener.next())["command"]["id"] == other["id"]
    for since in [0, first["sequence"] + 10**12]:
        async with listening(api, since=since) as listener:
            assert (await listener.next("alive", "reset"))["type"] == "reset"
    for wrong in ["since=-1", "since=x", "colour=red"]:
        await api.problem("GET", f"events?{wrong}", 422, "invalid-input")
    async with api.client.get("/api/v1/events") as response:
        assert response.status == 400
        assert "no handshake" in (await response.json())["detail"]


async def test_how_much_is_written_is_told_while_a_run_goes_on(api: Api) -> None:
    run_id = await api.run("printf 12345; exec sleep 1000")
    async with listening(api) as listener:
        while True:
            grown = await listener.next("output-bytes")
            if grown["runs"] == [{"id": run_id, "output_bytes": 5}]:
                break
        assert (await listener.next("alive"))["sequence"] == grown["sequence"]  # once is enough
        await api.call("POST", f"runs/{run_id}/stop", status=202)
        assert (await listener.until(run_id, state="stopped"))["output_bytes"] == 5


async def test_each_is_told_what_they_may_see(serve: Serve) -> None:
    """By group; without the script for whoever may not start it; with what they may do."""
    api = await serve(Claimed())
    claims = ["admin@*", "viewer@web", "operator@mail", "viewer@x"]
    async with AsyncExitStack() as stack:
        admin, web, mail, other = [
            await stack.enter_async_context(listening(api, claim)) for claim in claims
        ]
        for one in [admin, web, mail, other]:
            await one.next("reset")
        api.client.session.headers["As"] = "admin@*"
        made = {}
        for group in ["web", "mail"]:
            made[group] = await api.create("exit 3", name=group, group=group)
            await admin.until(made[group]["run"]["id"], state="failed")
        for one, group, may in [(web, "web", ["see"]), (mail, "mail", ["see", "operate"])]:
            told = [await one.next("run", "command") for _ in range(2)]
            while told[-1].get("run", {}).get("state") != "failed":
                told.append(await one.next("run", "command"))
            [command] = [frame["command"] for frame in told if frame["type"] == "command"]
            assert (command["name"], command["may"]) == (group, may)
            assert command["script"] == ("exit 3" if group == "mail" else None)
            assert {frame["run"]["id"] for frame in told if frame["type"] == "run"} == {
                made[group]["run"]["id"]
            }
            assert told[-1]["run"]["may"] == may
        # Who does not see it any more is told that it is gone; its runs go with it.
        path = f"commands/{made['web']['id']}"
        await api.call("PATCH", path, json={"group": "mail"}, status=200)
        assert (await web.next())["type"] == "command-deleted"
        assert (await mail.next())["command"]["group"] == "mail"
        await api.call("DELETE", f"runs/{made['web']['run']['id']}", status=204)
        assert (await mail.next())["id"] == made["web"]["run"]["id"]
        await api.call("DELETE", path, status=204)
        assert (await mail.next())["type"] == "command-deleted"
        # Of all of that, one who sees neither group was told nothing.
        last = await api.create("true", name="last", group="x", start=False)
        assert (await other.next())["command"]["id"] == last["id"]
        assert (await web.next("alive"))["sequence"] > 0


async def test_no_more_listen_than_are_permitted(serve: Serve) -> None:
    api = await serve(max_viewers_per_run=1)
    async with listening(api) as listener:
        await listener.next("reset")
        async with api.client.ws_connect("/api/v1/events") as socket:
            told = await socket.receive_json()
            assert (told["type"], told["status"]) == ("refused", 503)
            assert "viewers of the events" in told["detail"]
            await socket.receive()
            assert socket.close_code == 1013


async def test_pages_that_are_open_take_no_place_from_who_watches(serve: Serve) -> None:
    api = await serve(max_viewers=1)
    run = await api.run("exec sleep 1000")
    async with listening(api) as listener:
        await listener.next("reset")
        async with api.stream(run, "?format=json") as stream:
            assert (await stream.receive_json())["type"] == "run"
            async with api.client.ws_connect("/api/v1/events") as socket:
                told = await socket.receive_json()
                assert (told["type"], told["status"]) == ("refused", 503)
                assert "the limit TAILRUN_MAX_VIEWERS is 1" in told["detail"]


@pytest.mark.parametrize("claim", [None, "-"])
async def test_who_may_see_nothing_is_refused(serve: Serve, claim: str | None) -> None:
    api = await serve(Claimed())
    async with listening(api, claim) as listener:
        told = await listener.socket.receive_json()
        assert told["type"] == "refused"
        await listener.socket.receive()
        assert listener.socket.close_code == 4000 + told["status"]
        assert told["status"] == (401 if claim is None else 403)


async def test_what_waits_in_pools_is_told_to_whoever_may_ask_for_it(serve: Serve) -> None:
    api = await serve(Claimed())
    async with listening(api, "viewer@*") as viewer, listening(api, "editor@web") as editor:
        for one in [viewer, editor]:
            await one.next("reset")
        assert api.client.app is not None
        events = api.client.app[keys.EVENTS]
        events.fleet_changed(FleetPart.POOLS)
        events.fleet_changed(FleetPart.WORKERS)
        assert [(await editor.next())["type"] for _ in range(2)] == ["pools", "workers"]
        assert (await viewer.next())["type"] == "workers"


async def test_what_is_done_with_a_worker_is_told_to_all_who_listen(
    api: Api, database: Database
) -> None:
    """At once: nobody looks how workers stand here, as none are met."""
    await add_worker(database, "w")
    async with listening(api) as one, listening(api) as other:
        for listener in [one, other]:
            await listener.next("reset")
        for state in ("draining", "active"):
            await api.call("PATCH", "workers/w", json={"state": state}, status=204)
            assert [await each.next() for each in (one, other)] == [
                {"type": "workers", "sequence": one.sequence}
            ] * 2
        await api.call("DELETE", "workers/w", status=204)
        assert [(await each.next())["type"] for each in (one, other)] == ["workers"] * 2
