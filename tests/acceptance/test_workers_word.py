"""`tailrun workers` and `tailrun abandon`: what other hosts run."""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.acceptance.test_run_word import say
from tests.support.client import Client, Start
from tests.support.known_workers import add_worker, give_run, let_go
from tests.support.nats import Nats
from tests.support.waiting import patience


@pytest_asyncio.fixture
async def client(start: Start, tmp_path: Path) -> AsyncIterator[Client]:
    """Be a client of a server that meets workers."""
    engine = Nats(tmp_path)
    await engine.start()
    yield await start(nats_url=engine.url)
    await engine.kill()


@pytest_asyncio.fixture
async def fleet(client: Client, database_url: str) -> str:
    """Have two workers known, of which one is away."""
    assert (await client.call("GET", "workers/"))["pools"] == []  # the tables are there
    add_worker(database_url, "build-1", labels=["arch=arm64"])
    add_worker(database_url, "build-2", ["docs"], away=True)
    add_worker(database_url, "docs-1", ["docs"], state="draining", away=True)
    return database_url


async def test_workers_are_listed_with_what_waits(client: Client, fleet: str) -> None:
    for requires in (["gpu=yes"], []):
        run = (await client.create("true", name="Build", pool="build", requires=requires))["run"]
    give_run(fleet, run["id"], "build-1")
    told = (await say(client, "workers")).out.decode().splitlines()
    first = [line.split() for line in told if line.startswith("build-1")]
    assert [line[:5] for line in first] == [["build-1", "active", "build", "arch=arm64", "1/4"]]
    second, third = [line.split() for line in told if line.startswith(("build-2", "docs-1"))]
    assert second[:4] == ["build-2", "away", "docs", "0/4"]
    assert third[:5] == ["docs-1", "away,", "draining", "docs", "0/4"]
    assert told[-1].split() == ["build", "1", "1", "no", "labels", "(gpu=yes)"]
    listed = (await say(client, "workers", "--json")).out.splitlines()
    assert {"build-1", "build-2"} <= {json.loads(one)["name"] for one in listed}
    runs = (await say(client, "ps")).out.decode().splitlines()
    assert [line.split()[-1] for line in runs] == ["HOST", "build-1", "build)"]


async def test_a_worker_is_drained_resumed_and_removed(client: Client, fleet: str) -> None:
    assert fleet
    for word, state, said in [
        ("drain", "draining", "build-1 gets no more runs; those that it has go on."),
        ("resume", "active", "build-1 gets runs again."),
        ("remove", "removed", "build-1 is removed: its key is refused from now on."),
    ]:
        done = await say(client, "workers", word, "build-1")
        assert (done.code, done.out) == (0, b"")
        assert said in done.err
        found = (await client.call("GET", "workers/"))["items"]
        assert [one["state"] for one in found if one["name"] == "build-1"] == [state]
    wrong = await say(client, "workers", "drain", "build-3")
    assert wrong.code == os.EX_NOINPUT
    assert "There is no worker 'build-3'; there are: build-2, " in wrong.err
    assert b"build-1" not in (await say(client, "workers")).out
    assert b"build-1" in (await say(client, "workers", "--all")).out


async def test_the_command_that_adds_a_worker_is_printed(client: Client) -> None:
    asked = ["--pool", "build", "--pool", "docs", "--label", "arch=arm64"]
    made = await say(client, "workers", "token", *asked, "--url", "https://t.example/")
    assert made.code == 0
    line = made.out.decode()
    assert re.fullmatch(
        r"echo tlw_\S+ \| tailrun worker enroll https://t.example --token -\n", line
    )
    told = json.loads((await say(client, "workers", "token", *asked, "--json")).out)
    assert told.keys() == {"token", "expires_at"}
    refused = await say(client, "workers", "token", "--pool", "Build!")
    assert refused.code == os.EX_DATAERR
    assert "It takes 1 to 64 of a-z, 0-9" in refused.err


async def test_a_run_whose_host_is_away_is_given_up(client: Client, fleet: str) -> None:
    run = (await client.create("true", name="Build", pool="build"))["run"]["id"]
    give_run(fleet, run, "build-1")
    refused = await say(client, "abandon", run)
    assert refused.code == os.EX_TEMPFAIL
    assert "host is not away. Stop the run instead" in refused.err
    let_go(fleet, "build-1")
    async with patience():  # what is known of hosts is up to 2 s old
        while b"host away" not in (await say(client, "ps")).out:
            pass
    done = await say(client, "abandon", "Build")
    assert (done.code, done.err) == (0, f"tailrun: Run {run} is lost.\n")
    assert (await client.call("GET", f"runs/{run}"))["state"] == "lost"
