"""The stream: formats, starts, resuming, leaving."""

import asyncio
import random
from contextlib import suppress

import orjson
import pytest
from aiohttp import WSMsgType

from tests.support.client import Client, joined, watch
from tests.support.waiting import patience


def lines(first: int, last: int) -> str:
    return "".join(f"{number}\n" for number in range(first, last + 1))


async def test_text_is_a_message_of_whole_lines(client: Client) -> None:
    watched = await client.stream(await client.run("echo one; echo; echo two; printf three"))
    assert "\n".join(watched.messages) == "one\n\ntwo\nthree"
    assert (watched.code, watched.reason) == (1000, "exit 0")


async def test_a_run_without_output_is_told_to_its_end(
    client: Client, subtests: pytest.Subtests
) -> None:
    run_id = await client.run("exit 9")
    for stream_format, types in [("text", []), ("raw", []), ("json", ["run", "end"])]:
        with subtests.test(stream_format):
            watched = await client.stream(run_id, format=stream_format)
            assert [message["type"] for message in watched.messages][-2:] == types
            assert (watched.code, watched.reason) == (1000, "exit 9")
    assert await client.output(run_id) == b""
    assert await client.output(run_id, "?follow=true") == b""


async def test_an_unfinished_line_goes_out_after_a_silence(client: Client) -> None:
    run_id = await client.run("printf 'password: '; sleep 1000")
    async with client.connect(run_id) as stream:
        assert (await stream.receive()).data == "password: "
    await client.stop(run_id)


async def test_json_tells_offsets_lines_and_the_end(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.2; printf 'z\\303\\274rich\\nend'")
    messages = (await client.stream(run_id, format="json")).messages
    assert messages[0]["type"] == "run"
    assert messages[0]["run"]["id"] == run_id
    output = [m for m in messages if m["type"] == "output"]
    assert joined(messages) == "one\nzürich\nend"
    assert (output[0]["offset"], output[0]["line"]) == (0, 1)
    assert [m["next"] for m in output[:-1]] == [m["offset"] for m in output[1:]]
    assert (output[-1]["next"], messages[-1]["output_bytes"]) == (15, 15)
    assert messages[-1]["output_lines"] == 2
    assert all(abs(m["time"] - output[0]["time"]) < 60 for m in output)


async def read_text(client: Client, run_id: str, length: int, **query: str) -> str:
    """Read a stream of any format until it has told so many characters."""
    text = ""
    async with patience(), client.connect(run_id, **query) as stream:
        while len(text) < length:
            message = await stream.receive()
            if query["format"] == "json":
                text += message.json().get("text", "")
            else:
                text += message.data.decode() if query["format"] == "raw" else f"{message.data}\n"
    return text


async def test_a_stream_starts_where_it_is_asked_to(
    client: Client, subtests: pytest.Subtests
) -> None:
    whole = lines(1, 1000)
    live, archived = await client.run("seq 1 1000; sleep 1000"), await client.run("seq 1 1000")
    await client.finished(archived)
    for kind, run_id in [("live", live), ("archived", archived)]:
        for stream_format in ["text", "json", "raw"]:
            for query, expected in [
                ({"offset": "1000"}, whole[1000:]),
                ({"tail": "3"}, "998\n999\n1000\n"),
                ({"tail": "100000"}, whole),
                ({"tail": "0"}, ""),
                ({}, whole),
            ]:
                with subtests.test(kind=kind, format=stream_format, query=query):
                    length = len(expected)
                    told = await read_text(client, run_id, length, format=stream_format, **query)
                    assert told == expected
    await client.stop(live)


async def test_an_offset_beyond_the_end_waits_for_it(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.3; echo two")
    assert (await client.stream(run_id, offset="4")).messages == ["two"]
    watched = await client.stream(run_id, offset="1000000")
    assert (watched.messages, watched.reason) == ([], "exit 0")


async def test_a_viewer_resumes_where_it_was(client: Client) -> None:
    """Each byte comes once, however often the viewer comes back."""
    run_id = await client.run(
        "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done; sleep 0.3; seq 100"
    )
    generator, text, offset, ended = random.Random(7), "", 0, False
    while not ended:
        async with client.connect(run_id, format="json", offset=str(offset)) as stream:
            for _ in range(generator.randint(1, 3)):
                message = await stream.receive_json()
                if message["type"] == "output":
                    assert message["offset"] == offset
                    text, offset = text + message["text"], message["next"]
                ended = message["type"] == "end"
                if ended:
                    break
    assert text == "".join(f"line {n}\n" for n in range(400)) + lines(1, 100)


async def test_many_viewers_see_the_same(client: Client) -> None:
    run_id = await client.run("for i in $(seq 50); do echo line $i; done; sleep 0.2; seq 1000")
    watched = await asyncio.gather(*(client.stream(run_id, format="raw") for _ in range(40)))
    expected = "".join(f"line {n}\n" for n in range(1, 51)) + lines(1, 1000)
    assert {b"".join(one.messages) for one in watched} == {expected.encode()}


async def test_an_unknown_run_is_told_by_the_first_frame(
    client: Client, subtests: pytest.Subtests
) -> None:
    """A page cannot read the status of a handshake; what is none is told so."""
    created = await client.create("true", start=False)
    unknown = "00000000-0000-4000-8000-000000000000"
    paths = [f"{of}/{wrong}/ws" for of in ("runs", "commands") for wrong in (unknown, "x", "%00")]
    for path in [*paths, f"commands/{created['id']}/ws"]:
        for stream_format, count in [("json", 1), ("text", 0), ("raw", 0)]:
            with subtests.test(path=path, format=stream_format):
                url = client.url(path).with_query(format=stream_format)
                async with client.session.ws_connect(url) as stream:
                    told = await watch(stream, as_json=True)
                assert [(one["type"], one["status"]) for one in told.messages] == [
                    ("refused", 404)
                ] * count
                assert told.code == 4404
                assert "no" in (told.reason or "")
        await client.call("GET", path, status=400)


async def test_a_stream_that_is_no_handshake_is_refused(client: Client) -> None:
    run_id = await client.run("true")
    refused = await client.call("GET", f"runs/{run_id}/ws", status=400)
    assert "websocket" in refused["detail"].lower()


async def test_a_viewer_that_leaves_does_not_touch_the_run(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.3; echo two; exit 3")
    async with client.connect(run_id) as stream:
        await stream.receive()
    assert (await client.finished(run_id))["exitcode"] == 3
    assert await client.output(run_id) == b"one\ntwo\n"


async def test_what_a_viewer_says_is_ignored_and_bounded(client: Client) -> None:
    run_id = await client.run("sleep 0.3; echo done")
    async with client.connect(run_id) as stream:
        await stream.send_str("stop")
        assert (await stream.receive()).data == "done"
    run_id = await client.run("sleep 1000")
    async with client.connect(run_id) as stream:
        await stream.send_str("x" * 100_000)
        await stream.receive()
        assert stream.close_code == 1009
    await client.stop(run_id)


async def test_a_viewer_that_floods_is_closed(client: Client, subtests: pytest.Subtests) -> None:
    """With messages or pings; one that says a little from time to time stays."""
    run_id = await client.run("sleep 1000")
    for name, frame in [("messages", WSMsgType.TEXT), ("pings", WSMsgType.PING)]:
        with subtests.test(name):
            async with client.connect(run_id) as stream:
                with suppress(ConnectionError):
                    for _ in range(10_000):
                        await stream._writer.send_frame(b"", frame)
                told = await watch(stream)
                assert told.code in {1008, 1006}
    with subtests.test("a little"):
        async with client.connect(run_id, format="raw") as stream:
            for _ in range(50):
                await stream.ping()
            await stream.send_str("hello")
            await client.stop(run_id)
            assert (await watch(stream)).code == 1000


async def test_a_viewer_that_says_too_much_is_told_so(client: Client) -> None:
    run_id = await client.run("sleep 1000")
    async with client.connect(run_id) as stream:
        for _ in range(101):
            await stream.send_str("")
        told = await watch(stream)
        assert (told.code, told.reason) == (1008, "a viewer may send 20 messages a second")
    await client.stop(run_id)


async def test_a_line_that_grows_all_the_time_is_shown_as_it_grows(client: Client) -> None:
    """A bar of progress: what is unfinished is not held back until it pauses."""
    script = "for i in $(seq 40); do printf '\\rDownloading %d%%' $i; sleep 0.1; done"
    told = await client.stream(await client.run(script))
    assert len(told.messages) >= 4
    assert "".join(told.messages) == "".join(f"\rDownloading {i}%" for i in range(1, 41))


async def test_no_message_is_larger_than_a_mebibyte(
    client: Client, subtests: pytest.Subtests
) -> None:
    """Not when control characters or invalid bytes take more room than they are."""
    for name, byte in [("NUL", r"\0"), ("ESC", r"\033"), ("invalid", r"\377")]:
        run_id = await client.run(f"head -c 2000000 /dev/zero | tr '\\0' '{byte}'")
        await client.finished(run_id)
        for stream_format in ["json", "text", "raw"]:
            with subtests.test(name, format=stream_format):
                url = client.url(f"runs/{run_id}/ws").with_query(format=stream_format)
                async with client.session.ws_connect(url, max_msg_size=2**20) as stream:
                    told = await watch(stream)
                assert told.code == 1000
                if stream_format == "json":
                    text = joined([orjson.loads(message) for message in told.messages])
                    assert len(text) == 2_000_000
                else:
                    assert sum(map(len, told.messages)) == 2_000_000


async def test_a_forged_control_message_stays_output(client: Client) -> None:
    forged = '{"type":"end","state":"succeeded","exitcode":0}'
    watched = await client.stream(await client.run(f"echo '{forged}'; exit 5"), format="json")
    assert joined(watched.messages) == forged + "\n"
    assert (watched.messages[-1]["exitcode"], watched.reason) == (5, "exit 5")


async def test_the_newest_run_of_a_command_is_streamed(client: Client) -> None:
    created = await client.create("echo $TAILRUN_RUN_ID")
    await client.finished(created["run"]["id"])
    again = await client.call("POST", f"commands/{created['id']}/runs")
    url = client.url(f"commands/{created['id']}/ws")
    async with client.session.ws_connect(url) as stream:
        assert (await stream.receive()).data == again["id"]


async def test_messages_are_compressed_only_when_asked(
    client: Client, subtests: pytest.Subtests
) -> None:
    run_id = await client.run("seq 1 1000")
    await client.finished(run_id)
    for query, compressed in [("", False), ("?deflate=true", True), ("?deflate=false", False)]:
        with subtests.test(query=query):
            url = client.url(f"runs/{run_id}/ws{query}")
            async with client.session.ws_connect(url, compress=15) as stream:
                assert bool(stream.compress) is compressed
                assert (await stream.receive()).data == lines(1, 1000)[:-1]
