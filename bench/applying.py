"""A thousand commands in files, made a server's by one request, and then again."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.service import Service
from bench.session import Figure, Session

COMMANDS = 1000
FIRST, AGAIN = f"{COMMANDS:,} commands", f"{COMMANDS:,} commands, again"


def applying(session: Session) -> None:
    """Measure the request that stores all, and the one that finds nothing to do."""
    count = session.sized(COMMANDS)
    with session.service() as service:
        rounds = iter(range(2 * session.runs))
        session.in_turn(
            {
                FIRST: lambda: _applied(service, count, next(rounds), "created"),
                AGAIN: partial(_again, service, count),
            }
        )


def _again(service: Service, count: int) -> Iterator[Figure]:
    [(newest,)] = service.query("SELECT max(description) FROM commands")
    yield from _applied(service, count, int(newest), "unchanged")


def _applied(service: Service, count: int, number: int, outcome: str) -> Iterator[Figure]:
    body = {"commands": [_command(number, index) for index in range(count)]}
    before = service.cpu()
    start = time.monotonic()
    told = service.call("PUT", "commands/", body)
    milliseconds = (time.monotonic() - start) * 1000
    assert {item["outcome"] for item in told["items"]} == {outcome}
    details = service.cpu(before) | {"MB": len(json.dumps(body)) / 1e6}
    yield Figure("applied", milliseconds, "ms", details)


def _command(number: int, index: int) -> dict[str, Any]:
    """Return a command as a file has it: with a parameter, a variable and a limit."""
    return {
        "key": f"job-{number:03}-{index:04}",
        "name": f"Job {index}",
        "description": f"{number:03}",
        "parameters": [{"name": "DAY", "type": "choice", "choices": ["mon", "tue"]}],
        "environment": {"LANG": "C.UTF-8"},
        "concurrency": {"limit": 1, "beyond": "queue"},
        "script": f"#!/bin/sh\nset -eu\n# {'what it does, at some length ' * 10}\necho {index}\n",
    }
