"""Hooks: what other services send, checked by its signature, starts a run."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from server.access import Act, Actor, KnownBy, Principal
from server.definition import Cause, CauseKind, StartAsked
from server.errors import (
    HookBodyError,
    HookRateError,
    HookRefusedError,
    ParametersError,
)
from server.models import Hook, HookChange, HookScheme, NewHook, RequestKey
from server.repositories.commands import CommandRepository
from server.repositories.hooks import HookRepository, Secret
from server.services.access.audit import Audit
from server.services.access.guesses import Guesses, source_of
from server.services.hooks import pointers, schemes
from server.services.hooks.rates import Rates
from server.services.hooks.schemes import Sent
from server.services.parameters import check_names
from server.services.runs import RunService
from server.services.tasks import forever

IN_LOOP_BYTES = 64 * 1024
"""Of a body whose signature is computed in the event loop; a larger one takes a thread."""

PURGE_SECONDS = 600.0
KEPT_FOR = timedelta(hours=1)
"""After its end, the body of a run that is to be tried again: that is stored at once, or when the
server is back."""


class Outcome(StrEnum):
    """What became of a delivery."""

    STARTED = "started"
    REPEATED = "repeated"  # it came before, and started a run then
    IGNORED = "ignored"  # it is of an event that starts none
    PAUSED = "paused"  # the command is
    DISABLED = "disabled"  # the hook is


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a delivery; `run_id` is the run that it has started."""

    outcome: Outcome
    detail: str
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MadeHook:
    """A hook, and its secret where that is new: it is not to be had again."""

    hook: Hook
    secret: str | None


class HookService:
    """The hooks of commands. `clock` is the time of day, in Unix seconds."""

    def __init__(
        self,
        hooks: HookRepository,
        commands: CommandRepository,
        runs: RunService,
        audit: Audit,
        *,
        per_minute: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hooks = hooks
        self._commands = commands
        self._runs = runs
        self._audit = audit
        self._clock = clock
        self._rates = Rates(per_minute)
        self._guesses = Guesses()
        # What an unknown hook's signature is compared with: that takes as long as a known one's.
        self._nobodys = schemes.new_secret(HookScheme.GITHUB)

    async def of_command(self, command_id: UUID) -> Sequence[Hook]:
        """Return a command's hooks, oldest first.

        Raises:
            CommandNotFoundError: there is no such command.
        """
        await self._commands.get(command_id)
        return await self._hooks.of_command(command_id)

    async def create(self, command_id: UUID, new: NewHook, *, by: Actor) -> MadeHook:
        """Make a hook, with a new secret unless one is given.

        Raises:
            CommandNotFoundError: there is no such command.
            ParametersError: it has no such parameters.
            ConflictError: it has as many hooks as it may.
        """
        await self._check(command_id, new.parameters)
        secret = new.secret or schemes.new_secret(new.scheme)
        with self._audit.trying(Act.HOOK_CREATE, by, command_id=command_id):
            return MadeHook(await self._hooks.add(command_id, new, secret, by=by), secret)

    async def get(self, hook_id: UUID) -> Hook | None:
        """Return a hook; None: there is no such hook."""
        found = await self._hooks.find(hook_id)
        return None if found is None else found.hook

    async def change(
        self, hook: Hook, change: HookChange, *, renew: bool = False, by: Actor
    ) -> MadeHook:
        """Change what is named of a hook; `renew`: it gets a new secret.

        Raises:
            HookNotFoundError: there is no such hook any more.
            ParametersError: its command has no such parameters.
        """
        await self._check(hook.command_id, change.parameters or {})
        if renew:
            change = replace(change, secret=schemes.new_secret(hook.scheme))
        with self._audit.trying(Act.HOOK_CHANGE, by, command_id=hook.command_id):
            return MadeHook(await self._hooks.change(hook.id, change, by=by), change.secret)

    async def delete(self, hook_id: UUID, *, by: Actor) -> None:
        """Delete a hook: what is sent to it starts nothing any more.

        Raises:
            HookNotFoundError: there is no such hook.
        """
        with self._audit.trying(Act.HOOK_DELETE, by):
            await self._hooks.delete(hook_id, by=by)

    async def receive(self, hook_id: UUID, sent: Sent, address: str) -> Received:
        """Start a run by what was sent to a hook, if it is signed and asks for one.

        Raises:
            HookRefusedError: there is no such hook, or it is not signed; nobody learns which.
            TooManyGuessesError: too much came from this address that was not.
            HookRateError: more comes than the hook takes.
            HookBodyError: its body is to be read, and is no JSON.
            ParametersError: the command does not take the values in it.
            ConcurrencyLimitError: as many of its runs go on as it lets.
            DatabaseUnavailableError: the run cannot be stored.
        """
        hook = await self._authentic(hook_id, sent, address)
        if wait_seconds := self._rates.wait_seconds(hook.id, time.monotonic()):
            raise HookRateError.of(wait_seconds)
        if not hook.enabled:
            return Received(Outcome.DISABLED, "The hook is disabled: nothing was started.")
        document = _document(hook, sent)
        event = schemes.event_of(hook.scheme, sent, document)
        if not _starts(hook, event):
            return Received(Outcome.IGNORED, f"The event {event!r} starts no run of this hook.")
        command = await self._commands.get(hook.command_id)
        if command.paused is not None and command.paused.holds(datetime.now(UTC)):
            return Received(Outcome.PAUSED, "The command is paused: nothing was started.")
        return await self._start(hook, sent, document, address)

    async def _check(self, command_id: UUID, pointers: Mapping[str, str]) -> None:
        """Refuse parameters that the command does not have: each delivery would be refused."""
        if pointers:
            check_names((await self._commands.get(command_id)).options.parameters, pointers)

    async def purge(self) -> None:
        """Delete bodies that no run is handed over any more, forever; its owner cancels it."""

        async def purge() -> None:
            await self._hooks.purge(datetime.now(UTC) - KEPT_FOR)

        await forever(purge, seconds=PURGE_SECONDS, name="removal of hooks' bodies")

    async def _authentic(self, hook_id: UUID, sent: Sent, address: str) -> Hook:
        """Return the hook that a delivery is signed for; wrong ones are counted by address.

        Those for one hook lock out no other that the same sender has.
        """
        found = await self._hooks.find(hook_id)
        source = source_of(address) if found is None else f"{hook_id} {source_of(address)}"
        credential = await asyncio.to_thread(_digest, hook_id, sent)

        async def check(_: str) -> Principal:
            if not await self._is_signed(found, sent) or found is None:
                raise HookRefusedError
            return _principal(found.hook)

        await self._guesses.check(source, credential, check, kind="hook")
        assert found is not None  # what is signed for no hook is refused
        return found.hook

    async def _is_signed(self, found: Secret | None, sent: Sent) -> bool:
        scheme = HookScheme.GITHUB if found is None else found.hook.scheme
        secret = self._nobodys if found is None else found.secret
        now = self._clock()
        if len(sent.body) <= IN_LOOP_BYTES:
            return schemes.is_signed(scheme, secret, sent, now)
        return await asyncio.to_thread(schemes.is_signed, scheme, secret, sent, now)

    async def _start(self, hook: Hook, sent: Sent, document: object, address: str) -> Received:
        asked = StartAsked(
            values=_values(hook, document),
            cause=Cause(kind=CauseKind.HOOK, id=hook.id),
            hook_body=sent.body,
        )
        by = Actor(_principal(hook), address)
        try:
            view, repeated = await self._runs.start(
                hook.command_id, asked, by=by, request=_request_key(hook, sent)
            )
        except ParametersError as error:
            raise _by_pointers(hook, error) from error
        if repeated:
            text = "This delivery came before, and has started its run then."
            return Received(Outcome.REPEATED, text, view.run.id)
        return Received(Outcome.STARTED, "A run is started.", view.run.id)


def _principal(hook: Hook) -> Principal:
    return Principal(name=f"hook {hook.id}", known_by=KnownBy.HOOK)


def _digest(hook_id: UUID, sent: Sent) -> str:
    """Return what stands for all of a delivery, so that each that is wrong counts once."""
    digest = hashlib.sha256(sent.body)
    digest.update(repr((str(hook_id), sorted(sent.headers.items()))).encode(errors="replace"))
    return digest.hexdigest()


def _request_key(hook: Hook, sent: Sent) -> RequestKey | None:
    """Return what has a delivery start one run; None: nothing names it.

    There is no tab in what names it, nor in a key that a client gives.
    """
    delivery = schemes.delivery_of(hook.scheme, sent)
    if delivery is None:
        return None
    fingerprint = hashlib.sha256(f"hook {hook.id}".encode()).digest()
    return RequestKey(f"hook\t{hook.id}\t{delivery}", fingerprint)


def _document(hook: Hook, sent: Sent) -> object:
    """Return what the body says as JSON, where that is asked for; None: it is not.

    Raises:
        HookBodyError: it is no JSON, and parameters are to be taken from it.
    """
    if not hook.parameters and hook.scheme is not HookScheme.STANDARD:
        return None
    try:
        return json.loads(sent.body)
    except (ValueError, RecursionError) as error:
        if not hook.parameters and not hook.events:
            return None
        text = f"The body is to be read by this hook, and is no JSON: {error}."
        raise HookBodyError(text) from error


def _starts(hook: Hook, event: str | None) -> bool:
    if hook.events:
        return event in hook.events
    return not (hook.scheme is HookScheme.GITHUB and event == schemes.PING)


def _values(hook: Hook, document: object) -> Mapping[str, object]:
    """Return the values of parameters that are in a body; what is not there, or null, is none."""
    found = {name: pointers.resolve(document, pointer) for name, pointer in hook.parameters.items()}
    return {
        name: value
        for name, value in found.items()
        if value is not None and value is not pointers.MISSING
    }


def _by_pointers(hook: Hook, error: ParametersError) -> ParametersError:
    """Return the error with where in the body each value was looked for."""
    return ParametersError.of(
        {
            name: [f"{text} (in the body: {hook.parameters[name] or 'all of it'})" for text in said]
            if name in hook.parameters
            else said
            for name, said in error.by_name.items()
        }
    )
