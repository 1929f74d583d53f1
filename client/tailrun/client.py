"""A client of Tailrun: starts commands, follows their output, waits for their ends."""

import os
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote

from tailrun.connection import Connection
from tailrun.ending import ended
from tailrun.errors import AmbiguousError, AwayError, ConflictError, NotFoundError
from tailrun.output import Output
from tailrun.place import NEAR_URL, Place, place_of
from tailrun.values import Command, Run

PATIENCE_SECONDS = 300.0
PAGE = 500
NO_QUERY: Mapping[str, str] = MappingProxyType({})

Value = str | int | float | bool


class Client:
    """Asks one server; an async context manager.

    `url` is the server's, such as "https://runs.example.org"; without one it is TAILRUN_URL, or
    the server of this host; with `state_dir` it is the one of that state directory, and no other.
    `token` is None for a local user. While the server is away, requests
    are sent again for up to `patience_seconds`, and `tell` hears why; a request that starts
    something starts it once, however often it is sent.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        state_dir: str | Path | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        tell: Callable[[AwayError], None] = lambda _: None,
    ) -> None:
        if state_dir is not None:
            self.place = Place(NEAR_URL, Path(state_dir))
        else:
            self.place = place_of(os.environ) if url is None else Place(url.rstrip("/"))
        self._connection = Connection(
            self.place, token, patience_seconds=patience_seconds, tell=tell
        )

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask for a path under /api/v1 that has no method here; return its JSON.

        Raises:
            AwayError: the server is away for longer than the client's patience.
            RefusedError: it refuses.
        """
        return await self._connection.ask(method, path, **more)

    async def run(
        self, command: str, /, *, idempotency_key: str | None = None, **parameters: Value
    ) -> Run:
        """Start a command, by its key, name or id, with values of its parameters.

        Raises:
            NotFoundError: there is no such command.
            AmbiguousError: several have this name.
            InvalidError: values are wrong; `fields` names the parameters.
        """
        found = await self.command(command)
        return await self.start(found.id, parameters, idempotency_key=idempotency_key)

    async def start(
        self,
        command_id: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a command by its id; `run` says the rest."""
        key = idempotency_key or str(uuid.uuid4())
        body = {"body": {"parameters": parameters}} if parameters else {}
        path = f"commands/{_part(command_id)}/runs"
        return Run.of(await self.ask("POST", path, headers={"Idempotency-Key": key}, **body))

    def output(self, run_id: str, *, offset: int = 0, follow: bool = True) -> Output:
        """Return a run's output from an offset on: to its end or, not followed, as far as it is.

        It goes on through connections that break, and a server that is away.
        """
        return Output(self._connection, _part(run_id), offset=offset, follow=follow)

    async def offset_of_last(self, run_id: str, lines: int) -> int:
        """Return the offset at which the last lines of a run's output begin."""
        path = f"runs/{_part(run_id)}/output"
        return int((await self._connection.head(path, {"tail": str(lines)}))["Tailrun-Offset"])

    async def wait(self, run_id: str) -> Run:
        """Wait until a run has ended; return it.

        Its end may be told before it is stored, while the server's database is away.

        Raises:
            NotFoundError: there is no such run, or it was deleted meanwhile.
        """
        return await ended(self._connection, f"runs/{_part(run_id)}")

    async def get(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: there is no such run.
        """
        return Run.of(await self.ask("GET", f"runs/{_part(run_id)}"))

    async def stop(
        self,
        run_id: str,
        *,
        signal: str | None = None,
        grace_seconds: float | None = None,
    ) -> Run:
        """Stop a run, by SIGTERM and, after the grace period, SIGKILL unless it is said otherwise.

        Raises:
            ConflictError: it has ended.
        """
        asked = {"signal": signal, "grace_seconds": grace_seconds}
        body = {name: value for name, value in asked.items() if value is not None}
        return Run.of(await self.ask("POST", f"runs/{_part(run_id)}/stop", body=body))

    async def command(self, command: str) -> Command:
        """Return a command by its key, its name or its id.

        Raises:
            NotFoundError: there is no such command.
            AmbiguousError: several have this name.
        """
        if _is_id(command):
            return Command.of(await self.ask("GET", f"commands/{command}"))
        for name in ("key", "name"):
            page = await self.ask("GET", "commands/", query={name: command, "limit": "2"})
            if len(page["items"]) > 1:
                raise AmbiguousError(
                    f"Several commands are called {command!r}. Name one by its key or its id:"
                    " `tailrun ls` lists them."
                )
            if page["items"]:
                return Command.of(await self.ask("GET", f"commands/{page['items'][0]['id']}"))
        raise NotFoundError(
            f"There is no command {command!r}.", status=404, kind="command-not-found"
        )

    async def commands(self, **query: str) -> AsyncGenerator[Command, None]:
        """Iterate over commands, newest first: all, or as `q`, `group` and `state` ask for."""
        async for one in self.listed("commands/", query):
            yield Command.of(one)

    async def runs(self, **query: str) -> AsyncGenerator[Run, None]:
        """Iterate over runs, newest first; docs/api.md, "Lists of runs", says what may be asked."""
        async for one in self.listed("runs/", query):
            yield Run.of(one)

    async def listed(
        self, path: str, query: Mapping[str, str] = NO_QUERY
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Iterate over a list that has no method here, by its path under /api/v1."""
        async for one in self._pages(path, {"limit": str(PAGE), **query}):
            yield one

    async def run_or_newest(self, name: str) -> Run:
        """Return a run by its id, or the newest one of a command.

        Raises:
            NotFoundError: there is neither, or the command has no run yet.
        """
        if _is_id(name):
            try:
                return await self.get(name)
            except NotFoundError:
                pass
        found = await self.command(name)
        if found.last_run is None:
            raise NotFoundError(f"{name!r} has no run yet.", status=404, kind="run-not-found")
        return found.last_run

    async def apply(
        self,
        commands: Sequence[Mapping[str, Any]],
        *,
        prune: bool = False,
        dry_run: bool = False,
        plan: str | None = None,
    ) -> dict[str, Any]:
        """Make commands, by their keys, what is said of them: all or nothing.

        With `prune`, those with a key in the same groups that are not among them are deleted, with
        all their runs. Return the `plan`, and in `items` what becomes of each; with the `plan` of a
        dry run nothing else is done than that told.

        Raises:
            InvalidError: `fields` names what is wrong: `commands.3.script`.
            ConflictError: they are other ones than those of the `plan` by now.
        """
        body = {"commands": [*commands], "prune": prune, "dry_run": dry_run, "plan": plan}
        answer: dict[str, Any] = await self.ask("PUT", "commands/", body=body)
        return answer

    async def exported(self, *, group: str | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """Iterate over the commands with a key that one may change, as `apply` takes them."""
        asked = {} if group is None else {"group": group}
        async for one in self._pages("commands/export", asked):
            yield one

    async def schedules(
        self, command_id: str | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Iterate over the schedules of a command, or of all, newest first."""
        of_one = None if command_id is None else f"commands/{_part(command_id)}/schedules"
        async for one in self.listed(of_one or "schedules/", {}):
            yield one

    async def pause(
        self, command_id: str, *, note: str | None = None, until: datetime | None = None
    ) -> Command:
        """Have a command's schedules and hooks start nothing, until a moment or until `resume`."""
        body = {"note": note, "until": None if until is None else until.isoformat()}
        return Command.of(await self.ask("POST", f"commands/{_part(command_id)}/pause", body=body))

    async def resume(self, command_id: str) -> Command:
        """End a command's pause."""
        return Command.of(await self.ask("POST", f"commands/{_part(command_id)}/resume"))

    async def hooks(self, command_id: str) -> list[dict[str, Any]]:
        """Return a command's hooks, oldest first, without their secrets."""
        page = await self.ask("GET", f"commands/{_part(command_id)}/hooks")
        return [*page["items"]]

    async def new_secret(self, hook_id: str) -> dict[str, Any]:
        """Give a hook a new secret, and return it with that; the one before is refused."""
        hook: dict[str, Any] = await self.ask("POST", f"hooks/{_part(hook_id)}/secret")
        return hook

    async def stop_if_active(self, run_id: str, **how: Any) -> Run:
        """Stop a run, or return it if it has ended."""
        try:
            return await self.stop(run_id, **how)
        except ConflictError:
            return await self.get(run_id)

    async def _pages(
        self, path: str, query: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        asked = {**query}
        while True:
            page = await self.ask("GET", path, query=asked)
            for one in page["items"]:
                yield one
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]


def _part(text: str) -> str:
    return quote(text, safe="")


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
