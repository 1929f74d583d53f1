"""The stream and the output: formats, starts, resuming, and odd output."""

import asyncio
import random

import pytest
import zstandard
from aiohttp import WSServerHandshakeError

from tests.support.service import Client


def joined(messages: list[dict[str, object]]) -> str:
    return "".join(str(m["text"]) for m in messages if m["type"] == "output")


async def test_text_is_a_message_of_whole_lines(client: Client) -> None:
    watched = await client.stream(await client.run("echo one; echo; echo two; printf three"))
    assert "\n".join(watched.messages) == "one\n\ntwo\nthree"
    assert (watched.code, watched.reason) == (1000, "exit 0")


async def test_an_unfinished_line_goes_out_after_a_silence(client: Client) -> None:
    run_id = await client.run("printf 'password: '; sleep 1000")
    async with client.connect(run_id) as stream:
        assert (await stream.receive(timeout=20)).data == "password: "
    await client.call("POST", f"runs/{run_id}/stop")


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


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("stream_format", ["text", "json", "raw"])
async def test_a_stream_starts_where_it_is_asked_to(
    client: Client, stream_format: str, *, archived: bool
) -> None:
    run_id = await client.run("seq 1 1000" + ("" if archived else "; sleep 1000"))
    if archived:
        await client.finished(run_id)
    whole = "".join(f"{n}\n" for n in range(1, 1001))
    for query, expected in [
        ({"offset": "1000"}, whole[1000:]),
        ({"tail": "3"}, "998\n999\n1000\n"),
        ({"tail": "100000"}, whole),
        ({"tail": "0"}, ""),
    ]:
        text = ""
        async with client.connect(run_id, format=stream_format, **query) as stream:
            async with asyncio.timeout(20):
                while len(text) < len(expected):
                    message = await stream.receive()
                    if stream_format == "json":
                        text += message.json().get("text", "")
                    elif stream_format == "raw":
                        text += message.data.decode()
                    else:
                        text += message.data + "\n"
        assert text == expected
    if not archived:
        await client.call("POST", f"runs/{run_id}/stop")


async def test_a_viewer_resumes_where_it_was(client: Client) -> None:
    """Each byte comes once, however often the viewer comes back."""
    run_id = await client.run(
        "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done; sleep 0.3; seq 100"
    )
    generator, text, offset, ended = random.Random(7), "", 0, False
    while not ended:
        async with client.connect(run_id, format="json", offset=str(offset)) as stream:
            for _ in range(generator.randint(1, 3)):
                message = (await stream.receive(timeout=20)).json()
                if message["type"] == "output":
                    assert message["offset"] == offset
                    text, offset = text + message["text"], message["next"]
                ended = ended or message["type"] == "end"
                if ended:
                    break
    expected = "".join(f"line {n}\n" for n in range(400)) + "".join(f"{n}\n" for n in range(1, 101))
    assert text == expected


async def test_many_viewers_see_the_same(client: Client) -> None:
    run_id = await client.run("for i in $(seq 50); do echo line $i; done; sleep 0.2; seq 1000")
    watched = await asyncio.gather(*(client.stream(run_id, format="raw") for _ in range(40)))
    expected = b"".join(b"line %d\n" % n for n in range(1, 51)) + b"".join(
        b"%d\n" % n for n in range(1, 1001)
    )
    assert {b"".join(one.messages) for one in watched} == {expected}


async def test_odd_output_is_exact(client: Client) -> None:
    """Random bytes, NUL, broken UTF-8, a long line, no final newline."""
    script = f"""#!/usr/bin/env python3
import random, sys
sys.stdout.buffer.write(random.Random(5).randbytes(3_000_001) + b"\\0\\xff" + b"x" * 2_000_000)
"""
    expected = random.Random(5).randbytes(3_000_001) + b"\0\xff" + b"x" * 2_000_000
    run_id = await client.run(script)
    watched = await client.stream(run_id, format="raw")
    assert b"".join(watched.messages) == expected
    assert await client.output(run_id) == expected
    watched = await client.stream(run_id, format="json")
    assert joined(watched.messages) == expected.decode(errors="replace")
    assert watched.messages[-1]["output_bytes"] == len(expected)
    assert (await client.output(run_id, headers={"Range": "bytes=2999990-3000010"})) == expected[
        2999990:3000011
    ]


async def test_output_in_parts(client: Client) -> None:
    run_id = await client.run("seq 1 100000")
    await client.finished(run_id)
    whole = b"".join(b"%d\n" % n for n in range(1, 100001))
    assert await client.output(run_id) == whole
    assert await client.output(run_id, "?offset=588000") == whole[588000:]
    assert await client.output(run_id, "?tail=2") == b"99999\n100000\n"
    assert await client.output(run_id, "?lines=50000-50002") == b"50000\n50001\n50002\n"
    assert await client.output(run_id, "?lines=99999-") == b"99999\n100000\n"
    assert await client.output(run_id, "?lines=200000-200001") == b""
    assert await client.output(run_id, "?offset=9999999") == b""
    url = client.url(f"runs/{run_id}/output")
    async with client.session.get(url, headers={"Range": "bytes=-7"}) as response:
        assert response.status == 206
        assert (
            response.headers["Content-Range"]
            == f"bytes {len(whole) - 7}-{len(whole) - 1}/{len(whole)}"
        )
        assert await response.read() == b"100000\n"
    async with client.session.get(url, headers={"Range": "bytes=9999999-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
    async with client.session.head(url) as response:
        assert int(response.headers["Content-Length"]) == len(whole)


async def test_output_is_sent_as_stored_to_those_who_take_zstd(client: Client) -> None:
    run_id = await client.run("seq 1 400000")
    await client.finished(run_id)
    whole = b"".join(b"%d\n" % n for n in range(1, 400001))
    for query, expected in [
        ("", whole),
        ("?offset=1234567", whole[1234567:]),
        ("?lines=5-6", b"5\n6\n"),
    ]:
        async with client.session.get(
            client.url(f"runs/{run_id}/output{query}"),
            headers={"Accept-Encoding": "zstd"},
            auto_decompress=False,
        ) as response:
            assert response.headers["Content-Encoding"] == "zstd"
            stored = await response.read()
        reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
        assert reader.read() == expected


async def test_output_is_followed_to_the_end(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.3; echo two")
    assert await client.output(run_id, "?follow=true") == b"one\ntwo\n"
    assert await client.output(run_id, "?follow=true&offset=4") == b"two\n"


@pytest.mark.parametrize(
    "query",
    ["offset=-1", "offset=x", "tail=-1", "tail=1&offset=1", "colour=red", f"offset={2**64}"],
)
async def test_a_wrong_start_is_refused(client: Client, query: str) -> None:
    run_id = await client.run("true")
    await client.call("GET", f"runs/{run_id}/output?{query}", status=422)
    await client.call("GET", f"runs/{run_id}/ws?{query}", status=422)
    await client.call("GET", f"runs/{run_id}/ws?format=xml", status=422)
    await client.call("GET", f"runs/{run_id}/output?lines=0-1", status=422)
    await client.call("GET", f"runs/{run_id}/output?lines=1-2&follow=true", status=422)


async def test_an_unknown_run_is_refused_before_the_handshake(client: Client) -> None:
    with pytest.raises(WSServerHandshakeError, match="404"):
        async with client.connect("00000000-0000-4000-8000-000000000000"):
            pass


async def test_a_viewer_that_leaves_does_not_touch_the_run(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.5; echo two; exit 3")
    async with client.connect(run_id) as stream:
        await stream.receive(timeout=20)
    assert (await client.finished(run_id))["exitcode"] == 3
    assert await client.output(run_id) == b"one\ntwo\n"


async def test_what_a_viewer_says_is_ignored_and_bounded(client: Client) -> None:
    run_id = await client.run("sleep 0.5; echo done")
    async with client.connect(run_id) as stream:
        await stream.send_str("stop")
        assert (await stream.receive(timeout=20)).data == "done"
    run_id = await client.run("sleep 1000")
    async with client.connect(run_id) as stream:
        await stream.send_str("x" * 100_000)
        await stream.receive(timeout=20)
        assert stream.close_code == 1009
    await client.call("POST", f"runs/{run_id}/stop")


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
        assert (await stream.receive(timeout=20)).data == again["id"]
