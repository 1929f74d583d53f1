"""Values of parameters: they reach a script exactly, none is executed, and secrets are nowhere."""

import asyncio
import random
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from server.repositories.embedded.server import URL
from tests.support.client import Client, Start
from tests.support.waiting import until_true

HOSTILE = 2000
A_RUN = 100
"""Parameters of a command, at most."""

FRAGMENTS = (
    *("'", '"', "\\", "\n", "\r", "\t", " ", ";", "&", "|", ">", "<", "*", "?", "[a-z]", "~", "#"),
    *("$(touch {canary})", "`touch {canary}`", "; touch {canary} #", "'; touch {canary}; '"),
    *('"; touch {canary}; "', "${{IFS}}", "$@", "$0", "$$", "!!", "\\x41", "\\n", "%s%n%d", "{{}}"),
    *("\x1b[31m", "\x1b]0;title\x07", "\x08", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "ä🎈"),
    *("() {{ :; }}; touch {canary}", "-e", "--", "-n", "=", "A=b", "/etc/passwd", "../..", "\x01"),
    *("\0", "\ud800", "\udcff", "\U0010ffff", "\x00\x01", "%(x)s", "{{0}}", "$DAY", "<script>"),
)

BASH = "for name in $(compgen -A variable V | sort); do printf '%s\\0' \"${!name}\"; done"
READER = """\
#!/usr/bin/env python3
import os, sys
for name in sorted(name for name in os.environb if name.startswith(b"V")):
    sys.stdout.buffer.write(os.environb[name] + b"\\0")
"""
POSIX = """\
#!/bin/sh
for name in $(env -0 | tr '\\n\\0' ' \\n' | sed -n 's/^\\(V[0-9][0-9]*\\)=.*/\\1/p' | sort); do
    eval "printf '%s\\\\0' \\"\\$$name\\""
done
"""
"""It evaluates names, and never values."""


def hostile(canary: Path) -> Iterator[str]:
    """Make values that would do harm, or be lost, if they were handled as anything but bytes."""
    fragments = [one.format(canary=canary) for one in FRAGMENTS]
    yield from ["", *fragments, "x" * 65_536, "ä" * 32_768, "x" * 65_537, "\n" * 65_536]
    chosen = random.Random(15)
    for number in range(HOSTILE - len(fragments) - 5):
        if number % 4 == 0:
            yield "".join(chr(chosen.randrange(1, 0x110000)) for _ in range(chosen.randrange(40)))
        else:
            yield "".join(chosen.choices(fragments, k=chosen.randrange(1, 9)))


def is_passable(value: str) -> bool:
    """Return whether an environment variable holds it, within the bound."""
    try:
        return "\0" not in value and len(value.encode()) <= 65_536
    except UnicodeEncodeError:
        return False


def batches(values: Sequence[str]) -> Iterator[dict[str, str]]:
    """Name values, as many as a run takes."""
    for start in range(0, len(values), A_RUN):
        names = (f"V{number:03}" for number in range(A_RUN))
        yield dict(zip(names, values[start : start + A_RUN], strict=False))


@pytest.mark.parametrize("script", [BASH, READER, POSIX], ids=["bash", "python", "sh"])
async def test_hostile_values_reach_a_script_exactly_or_are_refused_by_name(
    client: Client, script: str, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    values = [*hostile(canary)]
    assert len(values) == HOSTILE
    parameters = [{"name": f"V{number:03}", "type": "text"} for number in range(A_RUN)]
    command = await client.create(script, start=False, parameters=parameters)
    path = f"commands/{command['id']}/runs"
    refused = 0
    for batch in batches(values):
        wrong = {f"parameters.{name}" for name, value in batch.items() if not is_passable(value)}
        if wrong:
            told = await client.call("POST", path, json={"parameters": batch}, status=422)
            assert set(told["errors"]) <= wrong
            assert len(told["errors"]) == min(len(wrong), 10)
            refused += len(wrong)
        good = {name: value for name, value in batch.items() if is_passable(value)}
        run = await client.call("POST", path, json={"parameters": good})
        assert run["parameters"] == good
        expected = b"".join(good[name].encode() + b"\0" for name in sorted(good))
        assert (await client.finished(run["id"]))["state"] == "succeeded"
        assert await client.output(run["id"]) == expected
    assert refused > HOSTILE / 50
    assert not canary.exists()


def everything(embedded: Client) -> str:
    """Return all rows of all tables, as text."""
    directory = embedded.service.state_dir / "database"
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    url = URL.format(str(directory).replace("/", "%2F"))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(tables)
        names = [name for (name,) in cursor.fetchall()]
        rows = []
        for name in names:
            cursor.execute(f'SELECT t::text FROM "{name}" t')  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def on_disk(directory: Path, secret: bytes) -> list[Path]:
    """Return the files with the secret, but for the database's own pages and its journal."""
    pages = directory / "database"
    log = [file for file in pages.glob("*log*") if file.is_file()]
    assert log
    others = [file for file in directory.rglob("*") if pages not in file.parents]
    return [file for file in [*others, *log] if file.is_file() and secret in file.read_bytes()]


def environ(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_secret_is_nowhere_but_in_its_run_and_forgotten_with_its_end(
    embedded: Client, tmp_path: Path
) -> None:
    secret, door = f"hunter2-{uuid.uuid4()}", tmp_path / "door"
    parameters = [{"name": "PASSWORD", "type": "secret"}, {"name": "N", "type": "integer"}]
    script = f"echo $$ ${{#PASSWORD}}; while [ ! -e {door} ]; do sleep 0.1; done"
    values = {"PASSWORD": secret, "N": 1}
    fields: dict[str, Any] = {"key": "taken", "parameters": parameters}
    created = await embedded.create(script, **fields, values=values)
    run = created["run"]
    # What is refused, by us or by the database, must not be written out, either.
    for body, status in [
        ({**fields, "values": values}, 409),
        ({"parameters": parameters, "values": {**values, "N": secret}}, 422),
        ({"parameters": parameters, "values": {**values, "PASSWORD": secret + "\0"}}, 422),
    ]:
        path, whole = "commands/", {"name": "n", "script": "true", **body}
        assert secret not in str(await embedded.call("POST", path, json=whole, status=status))

    async def told() -> bool:
        return len((await embedded.output(run["id"])).split()) == 2

    await until_true(told)
    process, length = map(int, (await embedded.output(run["id"])).split())
    assert length == len(secret)
    assert secret.encode() in environ(process)
    for server in (embedded.service.pid, await embedded.service.keeper_pid()):
        assert secret.encode() not in environ(server)
    for path in ["commands/", f"commands/{created['id']}", "runs/", f"runs/{run['id']}", "audit/"]:
        assert secret not in str(await embedded.call("GET", path))
    assert created["run"]["parameters"] == {"N": 1}
    state = embedded.service.state_dir
    assert on_disk(state, secret.encode()) == []
    assert secret in await asyncio.to_thread(everything, embedded)  # so this test can fail
    door.touch()
    assert (await embedded.finished(run["id"]))["state"] == "succeeded"
    assert secret not in await asyncio.to_thread(everything, embedded)
    assert on_disk(state, secret.encode()) == []
    assert secret not in embedded.service.log


async def test_a_secret_outlives_its_server_until_its_run_has_started(start: Start) -> None:
    """It is in no memory alone: the next server reads it from the row."""
    client = await start(max_concurrent_runs="1")
    first = await client.create("sleep 1000")
    parameters = [{"name": "PASSWORD", "type": "secret", "required": True}]
    queued = await client.create(
        'printf %s "$PASSWORD"', parameters=parameters, values={"PASSWORD": "hunter2"}
    )
    assert queued["run"]["state"] == "queued"
    await client.service.kill()
    await client.service.start()
    await client.call("POST", f"runs/{first['run']['id']}/stop", json={"grace_seconds": 0})
    assert (await client.finished(queued["run"]["id"]))["state"] == "succeeded"
    assert await client.output(queued["run"]["id"]) == b"hunter2"
