"""`tailrun workers`: the hosts that run what servers have stored, and `tailrun abandon`."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tailrun.cli.notes import Notes
from tailrun.cli.table import table
from tailrun.client import Client
from tailrun.errors import AmbiguousError, NotFoundError

Told = Mapping[str, Any]
REMOVED = "removed"


async def workers(client: Client, given: argparse.Namespace, _notes: Notes) -> int:
    """List workers, and say what waits in vain."""
    fleet = await client.ask("GET", "workers/")
    found = [one for one in fleet["items"] if given.all or one["state"] != REMOVED]
    if given.json:
        sys.stdout.write("".join(f"{json.dumps(one)}\n" for one in found))
        return 0
    heads = ["NAME", "STATE", "POOLS", "LABELS", "RUNS", "VERSION", "SEEN (UTC)", "ID"]
    sys.stdout.write(table(heads, [_row(one) for one in found]))
    waiting = [one for one in fleet["pools"] if one["waiting"]]
    if waiting:
        sys.stdout.write("\n" + table(["POOL", "WAITING", "IN VAIN"], [_pool(o) for o in waiting]))
    return 0


def _row(one: Told) -> list[str]:
    seen = datetime.fromisoformat(one["seen_at"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    runs = f"{one['running']}/{one['places']}"
    lists = [", ".join(one["pools"]), ", ".join(one["labels"])]
    return [one["name"], _state(one), *lists, runs, one["version"], seen, one["id"]]


def _state(one: Told) -> str:
    if one["state"] != "unreachable":
        return str(one["state"])
    return "away, draining" if one.get("draining") else "away"  # servers of before say it not


def _pool(one: Told) -> list[str]:
    why = [
        f"{vain['waiting']} {vain['why'].replace('_', ' ')}"
        + (f" ({', '.join(vain['requires'])})" if vain["requires"] else "")
        for vain in one["in_vain"]
    ]
    return [one["name"], str(one["waiting"]), "; ".join(why)]


async def drain(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Have a worker get no more runs."""
    worker = await _change(client, given.worker, "draining")
    notes.say(f"{worker['name']} gets no more runs; those that it has go on.")
    return 0


async def resume(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Have a worker get runs again."""
    worker = await _change(client, given.worker, "active")
    notes.say(f"{worker['name']} gets runs again.")
    return 0


async def remove(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Have a worker refused from now on."""
    worker = await _one(client, given.worker)
    await client.ask("DELETE", f"workers/{quote(worker['id'], safe='')}")
    notes.say(f"{worker['name']} is removed: its key is refused from now on.")
    if worker["running"]:
        notes.say(
            f"It had {worker['running']} runs. What becomes of each is what on_unreachable of its"
            " command says; `tailrun abandon RUN` gives one up that is waited for."
        )
    return 0


async def token(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Make what lets a host in as a worker, once; the command for it goes to stdout."""
    asked = {"pools": given.pools, "labels": given.labels}
    if given.places is not None:
        asked["places"] = given.places
    made = await client.ask("POST", "workers/tokens", body=asked)
    if given.json:
        sys.stdout.write(f"{json.dumps(made)}\n")
        return 0
    url = given.url or os.environ.get("TAILRUN_URL", "").strip() or "URL"
    notes.say(f"Say this on the host that is to be the worker, once, until {made['expires_at']}:")
    if url == "URL":
        notes.say("URL is where that host reaches this server; --url puts it in.")
    enrol = f"tailrun worker enroll {url.rstrip('/')} --token -"
    sys.stdout.write(f"echo {made['token']} | {enrol}\n")  # no other user there sees it so
    return 0


async def abandon(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Give up a run whose host is away."""
    run = await client.run_or_newest(given.run)
    await client.ask("POST", f"runs/{run.id}/abandon")
    notes.say(f"Run {run.id} is lost.")
    return 0


async def _change(client: Client, name: str, state: str) -> Told:
    worker = await _one(client, name)
    await client.ask("PATCH", f"workers/{quote(worker['id'], safe='')}", body={"state": state})
    return worker


async def _one(client: Client, name: str) -> Told:
    """Return the worker of a name, or of an id; one that was removed only by its id.

    Raises:
        NotFoundError: there is none.
        AmbiguousError: several have this name.
    """
    found: Sequence[Told] = (await client.ask("GET", "workers/"))["items"]
    by_id = [one for one in found if one["id"] == name]
    named = by_id or [one for one in found if one["name"] == name and one["state"] != REMOVED]
    if len(named) > 1:
        raise AmbiguousError(f"Several workers are called {name!r}. Name one by its id.")
    if not named:
        known = ", ".join(one["name"] for one in found if one["state"] != REMOVED) or "none"
        text = f"There is no worker {name!r}; there are: {known}."
        raise NotFoundError(text, status=404, kind="worker-not-found")
    return named[0]


WORKER_ACTS = {None: workers, "drain": drain, "resume": resume, "remove": remove, "token": token}
"""By the word after `tailrun workers`."""
