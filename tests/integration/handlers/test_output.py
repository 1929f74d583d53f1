"""The routes of output and the stream: which part is asked for, and how it is written."""

import json
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zstandard

from tests.integration.handlers.harness import Api, Serve
from tests.support.waiting import patience

NUMBERS = b"".join(b"%d\n" % number for number in range(1, 101))
HELD = "seq 100; exec sleep 1000"


async def told(stream: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Read a stream to its close."""
    return [message.data async for message in stream]


async def live(api: Api) -> str:
    """Start a run that has written all and does not end; return its id."""
    run_id = await api.run(HELD)
    async with api.stream(run_id, "?format=raw") as stream:
        size = 0
        while size < len(NUMBERS):
            size += len((await stream.receive()).data)
    return run_id


async def archived(api: Api) -> str:
    """Let a run write and end; return its id."""
    run_id = await api.run("seq 100")
    await api.ended(run_id)
    return run_id


@pytest.mark.parametrize("made", [live, archived])
async def test_a_part_of_an_output_is_answered(
    api: Api, made: Any, subtests: pytest.Subtests
) -> None:
    run_id = await made(api)
    path = f"/api/v1/runs/{run_id}/output"
    for query, expected in [
        ("", NUMBERS),
        ("?offset=290", b"0\n"),
        ("?tail=2", b"99\n100\n"),
        ("?lines=2-3", b"2\n3\n"),
        ("?lines=99-", b"99\n100\n"),
        ("?offset=9999", b""),
    ]:
        with subtests.test(query):
            async with api.client.get(f"{path}{query}") as response:
                assert (response.status, response.content_type) == (200, "text/plain")
                assert response.headers["Content-Length"] == str(len(expected))
                assert await response.read() == expected
    with subtests.test("a range"):
        async with api.client.get(path, headers={"Range": "bytes=0-3"}) as response:
            assert (response.status, await response.read()) == (206, b"1\n2\n")
            assert response.headers["Content-Range"] == f"bytes 0-3/{len(NUMBERS)}"
    with subtests.test("HEAD"):
        async with api.client.head(path) as response:
            assert response.headers["Content-Length"] == str(len(NUMBERS))
    await api.problem(
        "GET",
        f"runs/{run_id}/output",
        416,
        "range-not-satisfiable",
        headers={"Range": "bytes=9999-"},
    )


@pytest.mark.parametrize("made", [live, archived])
async def test_a_part_has_a_bound_and_tells_where_it_is(
    api: Api, made: Any, subtests: pytest.Subtests
) -> None:
    path = f"/api/v1/runs/{await made(api)}/output"
    size = len(NUMBERS)
    for query, line, start, end in [
        ("?lines=2-3", 2, 2, 6),
        ("?lines=2-3&max_bytes=3", 2, 2, 5),
        ("?lines=2-3&max_bytes=999", 2, 2, 6),
        ("?lines=10-10&max_bytes=1", 10, 18, 19),
        ("?lines=102-110", 101, size, size),
        ("?tail=2", 99, size - 7, size),
        ("?tail=2&max_bytes=6", 99, size - 6, size),
        ("?tail=2&max_bytes=4", 100, size - 4, size),
        ("?tail=0&max_bytes=4", 101, size, size),
        ("?offset=19", 10, 19, size),
        ("?offset=19&max_bytes=2", 10, 19, 21),
        ("?offset=21&max_bytes=1", 11, 21, 22),
        ("?offset=9999&max_bytes=1", 101, size, size),
        ("?max_bytes=5", 1, 0, 5),
    ]:
        with subtests.test(query):
            async with api.client.get(f"{path}{query}", headers={"Range": "bytes=0-0"}) as response:
                assert (response.status, await response.read()) == (200, NUMBERS[start:end])
            async with api.client.head(f"{path}{query}") as head:
                assert head.headers["Content-Length"] == str(end - start)
            assert place_told(head) == place_told(response) == [line, start, end, 100, size]
    with subtests.test("a plain download"):
        async with api.client.get(path) as response:
            assert not [name for name in response.headers if name.startswith("Tailrun-")]


def place_told(response: aiohttp.ClientResponse) -> list[int]:
    """Return what the headers of a part tell: first line, offset, next, total lines, size."""
    names = ["First-Line", "Offset", "Next", "Total-Lines", "Size"]
    return [int(response.headers[f"Tailrun-{name}"]) for name in names]


async def test_a_part_tells_of_an_unfinished_line(api: Api, subtests: pytest.Subtests) -> None:
    for script, expected in [
        ("printf 'one\\ntwo'", [2, 4, 7, 2, 7]),
        ("true", [1, 0, 0, 0, 0]),
        ("echo", [1, 0, 1, 1, 1]),
    ]:
        with subtests.test(script):
            run_id = await api.run(script)
            await api.ended(run_id)
            path = f"/api/v1/runs/{run_id}/output?tail=1"
            headers = {"Accept-Encoding": "zstd"}
            async with api.client.get(path, headers=headers, auto_decompress=False) as response:
                assert place_told(response) == expected


async def test_an_output_goes_out_as_it_is_stored(api: Api) -> None:
    path = f"/api/v1/runs/{await archived(api)}/output"
    headers = {"Accept-Encoding": "zstd"}
    async with api.client.get(path, headers=headers, auto_decompress=False) as response:
        assert response.headers["Content-Encoding"] == "zstd"
        reader = zstandard.ZstdDecompressor().stream_reader(
            await response.read(), read_across_frames=True
        )
    assert reader.read() == NUMBERS


async def test_an_output_is_followed(api: Api) -> None:
    run_id = await live(api)
    async with api.client.get(f"/api/v1/runs/{run_id}/output?follow=true&tail=1") as response:
        assert await response.content.readline() == b"100\n"
        assert "Content-Length" not in response.headers
        await api.call("POST", f"runs/{run_id}/stop", status=202)
        assert await response.read() == b""


async def test_an_output_is_told_in_events(api: Api) -> None:
    path = f"/api/v1/runs/{await archived(api)}/output?follow=true"
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "289"}
    async with api.client.get(path, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        events = (await response.text()).split("\n\n")
    ids = [line for event in events for line in event.splitlines() if line.startswith("id: ")]
    assert ids == [f"id: {len(NUMBERS)}", "id: end"]
    [output] = [event for event in events if '"type":"output"' in event]
    told = json.loads(output.partition("data: ")[2])
    assert (told["offset"], told["text"]) == (289, NUMBERS[289:].decode())
    headers["Last-Event-ID"] = "end"
    async with api.client.get(path, headers=headers) as response:
        assert response.status == 204
    headers["Last-Event-ID"] = "x"
    await api.problem("GET", path[8:], 422, "invalid-input", headers=headers)


async def test_a_stream_is_written_in_each_format(api: Api) -> None:
    run_id = await api.run("echo one; printf 'two\\377'; exit 3")
    await api.ended(run_id)
    for query, expected in [
        ("", ["one", "two\ufffd"]),
        ("?offset=4", ["two\ufffd"]),
        ("?format=raw", [b"one\ntwo\xff"]),
        ("?format=raw&tail=1", [b"two\xff"]),
    ]:
        async with api.stream(run_id, query) as stream:
            assert await told(stream) == expected
            assert stream.close_code == 1000
    async with api.stream(run_id, "?format=json&offset=4") as stream:
        run, output = await stream.receive_json(), await stream.receive_json()
        end = await stream.receive_json()
    assert (run["type"], run["run"]["id"]) == ("run", run_id)
    assert (output["type"], output["text"]) == ("output", "two\ufffd")
    assert (output["offset"], output["next"], output["line"]) == (4, 8, 2)
    assert (end["type"], end["state"], end["exitcode"]) == ("end", "failed", 3)
    assert (end["output_bytes"], end["output_lines"]) == (8, 1)


async def test_a_slow_viewer_that_may_be_left_behind_is_sent_little_and_all_of_it_exact(
    api: Api, tmp_path: Path
) -> None:
    """The viewer takes nothing until all is written; then what the kernels hold, and the end."""
    go = tmp_path / "go"
    count, first_number = 6_000_000, 100_000_000  # so that each line has ten bytes
    size = 10 * count
    rest = f"seq {first_number + 1} {first_number + count - 1}"
    run_id = await api.run(
        f"echo {first_number}; until [ -e {go} ]; do sleep 0.01; done; {rest}; exec sleep 1000"
    )
    frames: list[Any] = []
    async with api.stream(run_id, "?format=json&max_behind=100000") as stream, patience():
        async with api.stream(run_id, "?format=meta") as meta:
            while (frame := await stream.receive_json())["type"] != "output":
                pass
            frames.append(frame)
            go.touch()
            while (await meta.receive_json()).get("lines") != count:
                pass
        while frames[-1]["next"] != size:
            frame = await stream.receive_json()
            frames += [frame] if frame["type"] == "output" else []
    assert frames[0]["offset"] == 0
    assert any(one["next"] < other["offset"] for one, other in pairwise(frames))
    assert sum(len(frame["text"]) for frame in frames) < size / 3
    for frame in frames:
        line, begun = divmod(frame["offset"], 10)
        last = frame["next"] // 10
        written = "".join(f"{first_number + number}\n" for number in range(line, last + 1))
        assert frame["line"] == line + 1
        assert frame["text"] == written[begun : begun + frame["next"] - frame["offset"]]
    await api.call("POST", f"runs/{run_id}/stop", status=202)


async def test_a_viewer_without_text_is_told_how_far_the_output_is(
    api: Api, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    go = tmp_path / "go"
    run_id = await api.run(f"echo one; printf tw; until [ -e {go} ]; do sleep 0.01; done; echo o")
    async with api.stream(run_id, "?format=meta") as stream, patience():
        found = [await stream.receive_json()]
        while found[-1].get("next") != 6:
            found.append(await stream.receive_json())
        assert found[-1]["lines"] == 1
        assert time.time() - 60 < found[-1]["time"] <= time.time()
        go.touch()
        found += [json.loads(message) for message in await told(stream)]
    types = [frame["type"] for frame in found if frame["type"] != "alive"]
    assert (types[0], types[-2:], set(types)) == ("run", ["growth", "end"], {*types[-2:], "run"})
    assert [found[-2][name] for name in ("next", "lines")] == [8, 2]
    assert not any("text" in frame for frame in found)

    for kind, query in [("events", "output?format=sse&text=false"), ("stream", "ws?format=meta")]:
        with subtests.test(f"{kind} of what has ended"):
            await api.ended(run_id)
            path = f"/api/v1/runs/{run_id}/{query}"
            if kind == "events":
                events = (await (await api.client.get(path)).text()).split("\n\n")
                datas = [event.partition("data: ")[2] for event in events]
                frames = [json.loads(data) for data in datas if data]
            else:
                async with api.client.ws_connect(path) as ended:
                    frames = [json.loads(message) for message in await told(ended)]
            assert [frame["type"] for frame in frames] == ["run", "growth", "end"]
            assert (frames[1]["next"], frames[1]["lines"]) == (8, 2)


@pytest.mark.parametrize("made", [live, archived])
async def test_it_is_told_when_lines_were_written(
    api: Api, made: Any, subtests: pytest.Subtests
) -> None:
    before = time.time()
    run_id = await made(api)
    path = f"runs/{run_id}/marks"
    told = await api.call("GET", f"{path}?lines=1-", status=200)
    [offset, line, first_time], *_ = told["items"]
    assert (offset, line, told["next"]) == (0, 1, None)
    assert before - 1 < first_time < time.time() + 1  # a file's time may be a tick behind
    later = datetime.fromtimestamp(time.time() + 60, UTC).isoformat().replace("+00:00", "Z")
    for at in ["0", "-1.5", "2001-02-03T04:05:06Z", "2001-02-03T04:05:06"]:
        with subtests.test(at):
            mark = await api.call("GET", f"{path}?at={at}", status=200)
            assert mark == {"items": [[0, 1, first_time]], "next": None}
    assert await api.call("GET", path, status=200) == told
    last = await api.call("GET", f"{path}?at={later}", status=200)
    assert last == {"items": told["items"][-1:], "next": None}
    for query, field in [
        ("?lines=1&at=1", "at"),
        ("?lines=0", "lines"),
        ("?at=yesterday", "at"),
        ("?lines=1&colour=red", "colour"),
    ]:
        with subtests.test(query):
            refused = await api.problem("GET", f"{path}{query}", 422, "invalid-input")
            assert field in refused["errors"]


async def test_a_stream_begins_at_the_last_lines_within_a_bound(api: Api) -> None:
    run_id = await archived(api)
    for query, expected in [("max_bytes=5", b"\n100\n"), ("max_bytes=99", b"99\n100\n")]:
        async with api.stream(run_id, f"?format=raw&tail=2&{query}") as stream:
            assert await told(stream) == [expected]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 7", "exit 7"),
        ("kill -9 $$", "signal SIGKILL"),
        ("#!/no/such/program\n", "not started"),
    ],
)
async def test_a_stream_is_closed_with_the_runs_end(api: Api, script: str, reason: str) -> None:
    async with api.stream(await api.run(script)) as stream:
        message = await stream.receive()
    assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 1000, reason)


async def test_the_newest_run_of_a_command_is_streamed(api: Api) -> None:
    created = await api.create("echo $TAILRUN_RUN_ID")
    await api.ended(created["run"]["id"])
    again = await api.call("POST", f"commands/{created['id']}/runs", status=201)
    async with api.client.ws_connect(f"/api/v1/commands/{created['id']}/ws") as stream:
        assert await told(stream) == [again["id"]]


@pytest.mark.parametrize("thing", ["commands", "runs"])
async def test_a_stream_of_what_is_not_there_is_refused_by_a_frame(api: Api, thing: str) -> None:
    """A page cannot read the status of a handshake."""
    path = f"/api/v1/{thing}/00000000-0000-4000-8000-000000000000/ws?format=json"
    async with api.client.ws_connect(path) as stream:
        refused = await stream.receive_json()
        assert (refused["type"], refused["status"]) == ("refused", 404)
        assert (await stream.receive()).data == 4404


async def test_a_wrong_part_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    run_id = await archived(api)
    both = ["offset=-1", "tail=x", "colour=red", f"offset={2**64}"]
    for resource, queries in [
        ("output", [*both, "lines=2-1", "lines=1-2&follow=true"]),
        ("ws", [*both, "format=xml", "lines=1-2", "deflate=perhaps"]),
    ]:
        for query in queries:
            with subtests.test(resource, query=query):
                path = f"runs/{run_id}/{resource}?{query}"
                answer = await api.problem("GET", path, 422, "invalid-input")
                assert query.partition("=")[0] in answer["errors"]
    answer = await api.problem("GET", f"runs/{run_id}/output?tail=1&offset=1", 422, "invalid-input")
    assert set(answer["errors"]) == {"tail", "offset"}
    await api.problem("GET", f"runs/{run_id}/ws", 400, "bad-request")


async def test_a_bound_of_viewers_is_named(serve: Serve) -> None:
    api = await serve(max_viewers=1)
    run_id = await live(api)
    async with api.stream(run_id, "?tail=1") as stream:
        assert (await stream.receive()).data == "100"
        path = f"runs/{run_id}/output?follow=true"
        answer = await api.problem("GET", path, 503, "limit-reached")
        assert "TAILRUN_MAX_VIEWERS" in answer["detail"]
    await api.call("POST", f"runs/{run_id}/stop", status=202)


async def test_paths_begin_with_what_a_proxy_puts_before_them(serve: Serve) -> None:
    api = await serve(base_path="/tools")
    run_id = await archived(api)
    async with api.stream(run_id, "?format=json") as stream:
        run = (await stream.receive_json())["run"]
    assert run["links"]["output"] == f"/tools/api/v1/runs/{run_id}/output"
