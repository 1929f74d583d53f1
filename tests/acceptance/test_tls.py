"""Served over https: all works as without, and the certificate is renewed under open streams."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.handlers.http.local_socket import SOCKET_NAME
from tests.acceptance.test_identity import over
from tests.acceptance.test_viewers import (
    MUCH,
    MUCH_OUTPUT,
    stalled_viewer,
    until_viewers,
)
from tests.support.certificates import Pair, believing_all, make_certificate
from tests.support.client import Client, Start, joined, watch
from tests.support.others import AS_ROOT, curl, status
from tests.support.programs import say
from tests.support.service import Service
from tests.support.waiting import patience, until


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_certificate(tmp_path / "tls")


@pytest.fixture
async def start(service: Service, pair: Pair) -> AsyncIterator[Start]:
    """Start the test's own service over TLS; its clients take any certificate."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:

        async def start(**settings: str) -> Client:
            service.set(**pair.settings, **settings)
            await service.start()
            return Client(session, service)

        yield start


async def test_all_is_served_over_https(start: Start, pair: Pair) -> None:
    client = await start()
    address = client.service.address
    assert address.startswith("https://127.0.0.1:")
    created = await client.create("echo one; echo two")
    watched = await client.stream(created["run"]["id"], format="json")
    assert joined([one for one in watched.messages if one["type"] == "output"]) == "one\ntwo\n"
    await client.finished(created["run"]["id"])
    assert await client.output(created["run"]["id"]) == b"one\ntwo\n"
    for version in ["1.2", "1.3"]:
        trusting = ["--cacert", str(pair.certificate), "--tls-max", version]
        said = await curl(*trusting, f"{address}/", f"{address}/api/v1/ping", user=None)
        assert said.startswith(b"<!doctype html>")
        assert said.endswith(b'{"status":"ok"}\n')
    for path in ["/", "/static/js/main.js", "/swagger/index.html", "/docs/api.md"]:
        # What is sent, not what the client makes of it.
        plain = {"Accept-Encoding": "identity"}
        async with client.session.get(f"{address}{path}", headers=plain) as response:
            assert response.status == 200
            assert int(response.headers["Content-Length"]) == len(await response.read())


async def test_a_page_that_was_served_over_https_is_our_own_and_no_other(start: Start) -> None:
    client = await start()
    address = client.service.address
    await client.call("GET", "ping", headers={"Origin": address})
    other = address.replace("https", "http")
    for headers in [{"Origin": other}, {"Origin": other, "X-Forwarded-Proto": "http"}]:
        await client.call("GET", "ping", headers=headers, status=403)


@AS_ROOT
async def test_local_users_are_told_apart_over_tls(start: Start) -> None:
    client = await start()
    url = str(client.url("commands/"))
    assert await status(url, user=None) == 200
    assert await status(url) == 401


async def test_whoever_speaks_http_to_it_is_told(start: Start) -> None:
    client = await start()
    url = client.service.address.replace("https", "http")
    assert await curl(f"{url}/", user=None) == b"This is served over https alone.\n"


async def test_another_address_needs_somebody_signed_in(start: Start) -> None:
    """The command line comes in all the same."""
    client = await start(host="0.0.0.0", allow_root_runs="true")  # noqa: S104
    refused = await client.call("GET", "commands/", status=401)
    assert refused["type"] == "/docs/api.md#not-signed-in"
    assert await over(client.service.state_dir / SOCKET_NAME) == 200


async def test_a_stream_waits_for_the_answer_to_its_close_frame(start: Start) -> None:
    """A client gets the frame and TLS's own end in one piece otherwise, and cannot answer."""
    client = await start()
    run_id = await client.run("seq 20000")
    await client.finished(run_id)
    ends = [(await client.stream(run_id, format="raw")).code for _ in range(20)]
    assert ends == [1000] * 20


async def test_a_stalled_viewer_disturbs_nobody_and_is_dropped(start: Start) -> None:
    client = await start(viewer_stall_seconds="3")
    run_id = await client.run(MUCH_OUTPUT)
    async with (
        stalled_viewer(client, f"runs/{run_id}/ws?format=raw") as first,
        stalled_viewer(client, f"runs/{run_id}/output?follow=true") as second,
    ):
        watched = await client.stream(run_id, format="raw")
        assert sum(map(len, watched.messages)) == MUCH
        assert (watched.code, watched.reason) == (1000, "exit 0")
        await until_viewers(client, 0)
        assert await client.metric("tailrun_viewers_dropped_total") == 2
        for dropped in (first, second):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
                await dropped.readexactly(MUCH)


async def test_a_slow_viewer_stays_and_gets_all(start: Start) -> None:
    """For longer than one may stall, at a rate that is below the run's."""
    client = await start(viewer_stall_seconds="3")
    run_id = await client.run("head -c 4000000 /dev/zero | tr '\\0' x; exec sleep 1000")
    url = str(client.url(f"runs/{run_id}/output?follow=true"))
    slow = asyncio.create_task(curl("--no-buffer", "--limit-rate", "500K", url, user=None))
    async with client.connect(run_id, format="raw") as quick:
        got = 0
        while got < 4_000_000:
            got += len((await quick.receive()).data)
        await client.stop(run_id)
        assert (await watch(quick)).reason == "stopped"
    async with patience():
        assert await slow == b"x" * 4_000_000
    assert await client.metric("tailrun_viewers_dropped_total") == 0


def serial(client: Client) -> str:
    """Return what a new connection is shown for a certificate."""
    address = urlsplit(client.service.address)
    with (
        socket.create_connection((address.hostname, address.port)) as connection,
        believing_all().wrap_socket(connection) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
        assert shown is not None
        return ssl.DER_cert_to_PEM_cert(shown)


async def test_a_certificate_is_renewed_under_an_open_stream(
    start: Start, pair: Pair, tmp_path: Path
) -> None:
    """A bad one is logged, and the one before stays."""
    client = await start()
    run_id = await client.run("echo one; exec sleep 1000")
    async with client.connect(run_id, format="raw") as stream:
        assert (await stream.receive()).data == b"one\n"
        before = serial(client)
        assert before == pair.certificate.read_text()
        pair.key.write_text("nonsense")
        await until(lambda: "the certificate before is kept" in client.service.log)
        assert f"TAILRUN_TLS_KEY names {pair.key}, which has no PRIVATE KEY" in client.service.log
        assert serial(client) == before
        newer = make_certificate(tmp_path / "newer", key="rsa")
        newer.certificate.replace(pair.certificate)
        newer.key.replace(pair.key)
        await until(lambda: "certificate read anew" in client.service.log)
        after = serial(client)
        assert after == pair.certificate.read_text()
        assert after != before
        assert client.service.log.count("the certificate before is kept") == 1
        await client.stop(run_id)
        assert (await watch(stream)).reason == "stopped"


async def test_what_cannot_be_served_by_is_named(
    service: Service, pair: Pair, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    other = make_certificate(tmp_path / "other")
    locked = tmp_path / "locked.pem"
    await say(
        *("openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:x"),
        *("-out", str(locked)),
    )
    shutil.copy(pair.certificate, tmp_path / "cut.pem")
    os.truncate(tmp_path / "cut.pem", 200)
    missing = tmp_path / "missing.pem"
    certificate, key = map(str, pair)
    for arguments, expected in [
        (["--tls-certificate", certificate], "TAILRUN_TLS_CERTIFICATE is set, and TAILRUN_TLS_KEY"),
        (["--tls-key", key], "TAILRUN_TLS_KEY is set, and TAILRUN_TLS_CERTIFICATE is not"),
        (
            ["--tls-certificate", str(missing), "--tls-key", key],
            f"TAILRUN_TLS_CERTIFICATE names {missing}, which cannot be read: No such file",
        ),
        (
            ["--tls-certificate", certificate, "--tls-key", str(tmp_path)],
            f"TAILRUN_TLS_KEY names {tmp_path}, which cannot be read: Is a directory",
        ),
        (
            ["--tls-certificate", certificate, "--tls-key", str(other.key)],
            f"TAILRUN_TLS_KEY names {other.key}, which is not the key of the certificate in",
        ),
        (
            ["--tls-certificate", certificate, "--tls-key", certificate],
            f"TAILRUN_TLS_KEY names {certificate}, which has no PRIVATE KEY in PEM",
        ),
        (
            ["--tls-certificate", key, "--tls-key", key],
            f"TAILRUN_TLS_CERTIFICATE names {key}, which has no CERTIFICATE in PEM",
        ),
        (
            ["--tls-certificate", certificate, "--tls-key", str(locked)],
            f"TAILRUN_TLS_KEY names {locked}, which is encrypted",
        ),
        (
            ["--tls-certificate", str(tmp_path / "cut.pem"), "--tls-key", key],
            f"TAILRUN_TLS_CERTIFICATE ({tmp_path / 'cut.pem'})",
        ),
    ]:
        with subtests.test(expected):
            code, said = await service.refused(*arguments)
            assert code == os.EX_CONFIG
            assert said.startswith("tailrun: ")
            assert said.count("\n") == 1
            assert expected in said
            assert not service.state_dir.exists()
