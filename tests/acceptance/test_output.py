"""Output over HTTP: the exact bytes, all or a part, at rest or followed."""

import asyncio
import random

import pytest
import zstandard

from tests.support.client import Client, joined

ODD = """#!/usr/bin/env python3
import random, sys
sys.stdout.buffer.write(random.Random(5).randbytes(3_000_001) + b"\\0\\xff" + b"x" * 2_000_000)
"""


def numbers(last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(1, last + 1))


async def test_odd_output_is_exact(client: Client) -> None:
    """Random bytes, NUL, broken UTF-8, a long line, no final newline."""
    expected = random.Random(5).randbytes(3_000_001) + b"\0\xff" + b"x" * 2_000_000
    run_id = await client.run(ODD)
    watched = await client.stream(run_id, format="raw")
    assert b"".join(watched.messages) == expected
    assert await client.output(run_id) == expected
    watched = await client.stream(run_id, format="json")
    assert joined(watched.messages) == expected.decode(errors="replace")
    assert watched.messages[-1]["output_bytes"] == len(expected)
    headers = {"Range": "bytes=2999990-3000010"}
    assert await client.output(run_id, headers=headers) == expected[2999990:3000011]


async def test_output_in_parts(client: Client, subtests: pytest.Subtests) -> None:
    """Of a live run and of one that is archived."""
    whole = numbers(100_000)
    live, archived = await client.run("seq 100000; sleep 1000"), await client.run("seq 100000")
    await client.finished(archived)
    async with client.connect(live, format="raw") as stream:
        got = 0
        while got < len(whole):
            got += len((await stream.receive()).data)
    for kind, run_id in [("live", live), ("archived", archived)]:
        for query, expected in [
            ("", whole),
            ("?offset=588000", whole[588000:]),
            ("?tail=2", b"99999\n100000\n"),
            ("?tail=0", b""),
            ("?lines=50000-50002", b"50000\n50001\n50002\n"),
            ("?lines=99999-", b"99999\n100000\n"),
            ("?lines=7", b"7\n"),
            ("?lines=200000-200001", b""),
            ("?offset=9999999", b""),
        ]:
            with subtests.test(kind=kind, query=query):
                assert await client.output(run_id, query) == expected
    await client.stop(live)


async def test_ranges_are_answered_as_http_has_it(
    client: Client, subtests: pytest.Subtests
) -> None:
    run_id = await client.run("seq 1000")
    await client.finished(run_id)
    whole, url = numbers(1000), client.url(f"runs/{run_id}/output")
    size = len(whole)
    for asked, status, told, expected in [
        ("bytes=-5", 206, f"bytes {size - 5}-{size - 1}/{size}", whole[-5:]),
        ("bytes=0-9", 206, f"bytes 0-9/{size}", whole[:10]),
        ("bytes=10-", 206, f"bytes 10-{size - 1}/{size}", whole[10:]),
        ("lines=1-2", 200, None, whole),
        ("bytes=0-1,5-6", 200, None, whole),
    ]:
        with subtests.test(asked):
            async with client.session.get(url, headers={"Range": asked}) as response:
                assert (response.status, response.headers.get("Content-Range")) == (status, told)
                assert response.headers["Accept-Ranges"] == "bytes"
                assert await response.read() == expected
    async with client.session.get(url, headers={"Range": "bytes=9999999-"}) as response:
        assert (response.status, response.content_type) == (416, "application/problem+json")
        assert response.headers["Content-Range"] == f"bytes */{size}"
    async with client.session.head(url) as response:
        assert int(response.headers["Content-Length"]) == size


async def test_output_is_sent_as_stored_to_those_who_take_zstd(
    client: Client, subtests: pytest.Subtests
) -> None:
    run_id = await client.run("seq 400000")
    await client.finished(run_id)
    whole = numbers(400_000)
    for query, expected in [
        ("", whole),
        ("?offset=1234567", whole[1234567:]),
        ("?lines=5-6", b"5\n6\n"),
    ]:
        with subtests.test(query=query):
            url = client.url(f"runs/{run_id}/output{query}")
            headers = {"Accept-Encoding": "zstd"}
            async with client.session.get(url, headers=headers, auto_decompress=False) as response:
                assert response.headers["Content-Encoding"] == "zstd"
                stored = await response.read()
            reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
            assert reader.read() == expected


async def test_output_is_followed_to_the_end(client: Client) -> None:
    run_id = await client.run("echo one; sleep 0.3; echo two")
    followed = await asyncio.gather(
        client.output(run_id, "?follow=true"),
        client.output(run_id, "?follow=true&offset=4"),
    )
    assert list(followed) == [b"one\ntwo\n", b"two\n"]
    assert await client.output(run_id, "?follow=true&tail=1") == b"two\n"


async def test_an_encoding_is_used_only_where_it_is_asked_for(
    client: Client, subtests: pytest.Subtests
) -> None:
    """And never for nothing: no bytes are no zstd frame."""
    run_id = await client.run("seq 1000")
    await client.finished(run_id)
    for query, asked, encoding in [
        ("", "zstd", "zstd"),
        ("", "gzip, ZSTD;q=0.5", "zstd"),
        ("", "zstd;q=0, identity", None),
        ("", "xzstdx", None),
        ("", "*", None),
        ("?tail=0", "zstd", None),
        ("?offset=99999", "zstd", None),
    ]:
        with subtests.test(query=query, asked=asked):
            url, headers = client.url(f"runs/{run_id}/output{query}"), {"Accept-Encoding": asked}
            async with client.session.get(url, headers=headers, auto_decompress=False) as response:
                assert response.headers.get("Content-Encoding") == encoding
                assert response.headers["Vary"] == "Accept-Encoding"
                data = await response.read()
                if encoding is None:
                    assert int(response.headers["Content-Length"]) == len(data)
                    assert data == (b"" if query else numbers(1000))


async def test_finished_output_is_not_sent_twice(client: Client, subtests: pytest.Subtests) -> None:
    """It has a strong tag, another one as zstd; a range of another output is not mixed in."""
    live, finished = await client.run("echo one; sleep 1000"), await client.run("seq 1000")
    await client.finished(finished)
    url = client.url(f"runs/{finished}/output")

    async def ask(method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.session.request(
            method, url, headers=asked, auto_decompress=False
        ) as response:
            return response.status, response.headers["ETag"], await response.read()

    _, tag, whole = await ask()
    _, zstd_tag, _ = await ask("HEAD", Accept_Encoding="zstd")
    assert tag.startswith('"')
    assert tag != zstd_tag
    for name, headers, expected in [
        ("the same", {"If_None_Match": tag}, (304, tag, b"")),
        ("one of several", {"If_None_Match": f'"x", W/{tag}'}, (304, tag, b"")),
        ("any", {"If_None_Match": "*"}, (304, tag, b"")),
        ("another", {"If_None_Match": '"x"'}, (200, tag, whole)),
        ("a range", {"Range": "bytes=0-3", "If_Range": tag}, (206, tag, whole[:4])),
        ("another's range", {"Range": "bytes=0-3", "If_Range": '"x"'}, (200, tag, whole)),
        ("a weak tag's range", {"Range": "bytes=0-3", "If_Range": f"W/{tag}"}, (200, tag, whole)),
        (
            "a date's range",
            {"Range": "bytes=0-3", "If_Range": "Thu, 26 Nov 2026 01:00:00 GMT"},
            (200, tag, whole),
        ),
    ]:
        with subtests.test(name):
            assert await ask(**headers) == expected
    with subtests.test("live output has no tag"):
        headers = {"Range": "bytes=0-1", "If-Range": '"x"', "If-None-Match": "*"}
        path = client.url(f"runs/{live}/output")
        async with client.session.get(path, headers=headers) as response:
            assert response.status == 200
            assert "ETag" not in response.headers
    await client.stop(live)


async def test_a_saved_output_is_named_by_its_command_and_start(
    client: Client, subtests: pytest.Subtests
) -> None:
    for name, fallback, full in [
        ("Nightly backup", "Nightly backup", None),
        ("отчёт", "run", "%D0%BE%D1%82%D1%87%D1%91%D1%82"),
        ('a/b "c"', "a b c", None),
    ]:
        with subtests.test(name):
            run = (await client.create("echo one", name=name))["run"]
            run = await client.finished(run["id"])
            started = run["start_time"][:19].replace("T", " ").replace(":", ".")
            expected = f'inline; filename="{fallback} {started}.txt"'
            if full is not None:
                quoted = started.replace(" ", "%20")
                expected += f"; filename*=UTF-8''{full}%20{quoted}.txt"
            async with client.session.get(client.url(f"runs/{run['id']}/output")) as response:
                assert response.headers["Content-Disposition"] == expected
