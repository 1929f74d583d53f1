"""A start that cannot be: the message names the thing and the mend, and nothing else is shown."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.state import HOST_FILE
from tests.integration.keeper.harness import a_host, without_cgroups
from tests.support.client import Client, Start
from tests.support.postgres import with_name
from tests.support.service import Service


async def refusals(*starts: tuple[Service, tuple[str, ...]]) -> list[str]:
    """Return what several starts, at the same time, are refused with."""
    return await asyncio.gather(*(refusal(service, *arguments) for service, arguments in starts))


async def refusal(service: Service, *arguments: str) -> str:
    """Return what a start is refused with: one line, no traceback."""
    code, said = await service.refused(*arguments)
    assert code == os.EX_CONFIG, said
    assert said.startswith("tailrun: "), said
    assert said.count("\n") == 1, said
    return said


async def test_a_wrong_setting_is_named_with_what_it_takes(
    service: Service, subtests: pytest.Subtests
) -> None:
    cases = [
        ({"colour": "red"}, ["TAILRUN_COLOUR", "no setting", "--help"]),
        ({"max_viewer": "1"}, ["TAILRUN_MAX_VIEWER", "Did you mean TAILRUN_MAX_VIEWERS?"]),
        ({"port": "http"}, ["TAILRUN_PORT", "'http'", "a whole number from 0 to 65535"]),
    ]
    wrong = [Service(service.state_dir, None, **settings) for settings, _ in cases]
    said = await refusals(*((service, ()) for service in wrong))
    for (settings, expected), message in zip(cases, said, strict=True):
        with subtests.test(settings=settings):
            assert all(text in message for text in expected), message
    assert not service.state_dir.exists()


async def test_an_option_that_is_none_is_named(service: Service) -> None:
    code, said = await service.refused("--colour")
    assert code == 2
    assert "--colour" in said
    assert "Traceback" not in said


async def test_a_state_directory_that_cannot_be_written_is_named(
    service: Service, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    (tmp_path / "file").touch()
    paths = [f"{tmp_path}/file", f"{tmp_path}/file/state", "/proc/tailrun"]
    said = await refusals(*((service, ("--state-dir", path)) for path in paths))
    for path, message in zip(paths, said, strict=True):
        with subtests.test(path):
            assert f"state directory {path} cannot be written" in message
            assert "TAILRUN_STATE_DIR" in message


async def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    service: Service, postgres_url: str, subtests: pytest.Subtests
) -> None:
    cases = [
        ("postgresql://user:hunter2@127.0.0.1:1/runs", "The database runs at 127.0.0.1 port 1"),
        (with_name(postgres_url, "missing"), '"missing" does not exist'),
        ("mysql://user:hunter2@host/runs", "postgresql://user:password@host:5432/name"),
        ("postgresql://user:hunter2@host:port/runs", 'invalid integer value "port"'),
    ]
    said = await refusals(
        *(
            (Service(service.state_dir / str(number), url), ())
            for number, (url, _) in enumerate(cases)
        )
    )
    for (url, expected), message in zip(cases, said, strict=True):
        with subtests.test(url):
            assert expected in message
            assert "database" in message.lower()
            assert "hunter2" not in message


async def test_a_port_that_is_taken_is_named(service: Service) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = await refusal(service, "--port", str(port))
    assert f"127.0.0.1 port {port}" in said
    assert "Address already in use" in said
    assert "TAILRUN_PORT" in said


async def test_an_address_that_is_none_is_named(service: Service) -> None:
    service.set(insecure_no_auth="true", allow_root_runs="true")
    said = await refusal(service, "--host", "nowhere.invalid")
    assert "nowhere.invalid" in said
    assert "TAILRUN_HOST" in said
    assert "Unknown error" not in said


async def test_another_address_needs_tls_or_to_be_open_to_everybody(service: Service) -> None:
    said = await refusal(service, "--host", "0.0.0.0")  # noqa: S104
    assert "TAILRUN_TLS_CERTIFICATE" in said
    assert "TAILRUN_AUTH=off" in said
    assert not service.state_dir.exists()


async def test_another_address_is_listened_on_if_it_is_called_insecure(start: Start) -> None:
    client = await start(host="0.0.0.0", insecure_no_auth="true", allow_root_runs="true")  # noqa: S104
    client.service.address = client.service.address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    assert await client.call("GET", "commands/") == {"items": [], "next": None}
    said = client.service.log
    assert "--insecure-no-auth (TAILRUN_INSECURE_NO_AUTH) is replaced by TAILRUN_AUTH=off" in said
    assert (
        f"whoever reaches 0.0.0.0 port {urlsplit(client.service.address).port} is an admin" in said
    )


async def test_a_second_server_on_a_state_directory_refuses(start: Start) -> None:
    client = await start()
    run_id = await client.run("echo up; sleep 1000")
    said = await refusal(client.service)
    assert str(client.service.state_dir) in said
    assert "Another Tailrun server" in said
    assert "TAILRUN_STATE_DIR" in said
    assert (await client.get_run(run_id))["state"] == "running"
    assert (await client.stop(run_id))["stopping"]


async def test_of_two_servers_that_start_at_once_one_serves_and_one_refuses(
    tmp_path: Path, database_url: str
) -> None:
    """There is nothing of the state directory yet, nor of the tables."""
    services = [Service(tmp_path / "state", database_url) for _ in range(2)]
    try:
        starts = await asyncio.gather(
            *(service.start() for service in services), return_exceptions=True
        )
        [serving] = [start for start in starts if isinstance(start, Service)]
        [refused] = [start for start in starts if isinstance(start, AssertionError)]
        assert "Another Tailrun server uses the state directory" in str(refused)
        assert await serving.terminate() == 0
    finally:
        for service in services:
            await service.kill()
        await services[0].end_keeper()


async def test_a_bound_of_memory_that_cannot_be_held_is_named(service: Service) -> None:
    """The keeper asked is one that has no cgroup to write."""
    async with a_host(service.state_dir, command=without_cgroups()) as host:
        problem = await host.client.memory_problem()
        said = await refusal(service, "--max-run-memory-bytes", "100000000")
        assert f"TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held here: {problem}. " in said
        assert "docs/operations.md" in said


async def test_the_embedded_database_survives_a_killed_server(embedded: Client) -> None:
    """It is found again, still running, with all that was in it; a run goes on meanwhile."""
    finished = await embedded.run("echo one; exit 3")
    await embedded.finished(finished)
    running = await embedded.run("echo two; sleep 1000")
    lock = embedded.service.state_dir / "database" / "postmaster.pid"
    before = lock.read_text()
    await embedded.service.kill()
    await embedded.service.start()
    assert lock.read_text() == before
    assert (await embedded.get_run(finished))["exitcode"] == 3
    assert await embedded.output(finished) == b"one\n"
    await embedded.stop(running)
    assert (await embedded.finished(running))["state"] == "stopped"
    assert await embedded.output(running) == b"two\n"
    assert await embedded.service.terminate() == 0
    assert not lock.exists()


@pytest.mark.parametrize(("host", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])  # noqa: S104
async def test_the_address_that_is_told_leads_there(start: Start, host: str, loopback: str) -> None:
    client = await start(host=host, insecure_no_auth="true", allow_root_runs="true")
    assert client.service.address.startswith(f"http://{loopback}:")
    assert await client.call("GET", "ping") == {"status": "ok"}


async def test_the_word_for_what_is_done_by_default(service: Service) -> None:
    service.set(host="192.0.2.1")
    assert "TAILRUN_HOST is 192.0.2.1" in await refusal(service, "serve")


async def test_sigint_ends_the_server_as_sigterm_does(start: Start) -> None:
    client = await start()
    assert await client.service.interrupt() == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MiB where the service's state is to be."""
    directory = tmp_path / "state"
    directory.mkdir()
    options = "size=1m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")
async def test_a_disk_that_is_full_is_named_with_the_mend(
    tiny_disk: Path, database_url: str
) -> None:
    """Too full for a database, then for the identity of the host."""
    said = await refusal(Service(tiny_disk, None))
    assert f"The database in {tiny_disk / 'database'} cannot be made: " in said
    assert "No space left on device" in said
    assert "Free space there, or set TAILRUN_STATE_DIR" in said
    (tiny_disk / HOST_FILE).unlink()
    with suppress(OSError), (tiny_disk / "filling").open("wb", buffering=0) as filling:
        while True:
            filling.write(bytes(4096))
    said = await refusal(Service(tiny_disk, database_url))
    assert f"The host's identity {tiny_disk / HOST_FILE} cannot be used: No space left" in said
    assert "Free space" in said


async def test_a_damaged_identity_is_named_with_the_mend(service: Service) -> None:
    service.state_dir.mkdir()
    (service.state_dir / HOST_FILE).touch()
    said = await refusal(service)
    assert f"{service.state_dir / HOST_FILE} is not valid" in said
    assert "remove it" in said
    (service.state_dir / HOST_FILE).unlink()
