"""What a command says of its runs beyond its script, and what a run was started with. Pure.

All of it is stored as JSON. What this version does not know of that is left out: a row may have
been written by a newer one, or by hand, and must not hide those beside it.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

Value = str | int | float | bool
"""A parameter's value, of JSON's types."""

KEY = re.compile(r"[a-z0-9-]{1,64}\Z")
"""Of a command, and of a pool."""

LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}=[A-Za-z0-9_.-]{1,64}\Z")
"""Of a worker."""

DEFAULT_POOL = "default"
"""Of its workers one runs what requires labels and names no pool."""

LOST_AFTER_SECONDS = 300.0
"""So long a run's host is away before the run is given up, where that is wanted."""


class ParameterType(StrEnum):
    """What values a parameter takes."""

    STRING = "string"  # one line
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    DATE = "date"
    SECRET = "secret"  # noqa: S105  it is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a script is to be told at each start: an environment variable of this name.

    `min` and `max` are of numbers, `max_length` in characters. `pattern` is RE2's, and is to match
    the whole value. `placeholder` is what a form shows in an empty field.
    """

    name: str
    type: ParameterType = ParameterType.STRING
    label: str | None = None
    description: str | None = None
    default: Value | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    min: float | None = None
    max: float | None = None
    max_length: int | None = None
    placeholder: str | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Parameter":
        """Read one.

        Raises:
            KeyError: it has no name.
            ValueError: this version does not know its type.
        """
        known = {one.name: stored[one.name] for one in fields(cls) if one.name in stored}
        kind = ParameterType(known.get("type", ParameterType.STRING))
        return cls(**known | {"type": kind, "choices": tuple(known.get("choices", ()))})

    def as_json(self) -> dict[str, Any]:
        """Return what is stored: its name, its type, and what differs from the defaults."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        kept = {one.name: said[one.name] for one in fields(self) if said[one.name] != one.default}
        listed = {"choices": [*self.choices]} if self.choices else {}
        return {**kept, "name": self.name, "type": self.type.value, **listed}


class Beyond(StrEnum):
    """What becomes of a start beyond the limit of a command's concurrent runs."""

    QUEUE = "queue"
    REFUSE = "refuse"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many runs of a command may go on at a time, and what becomes of a further one."""

    limit: int
    beyond: Beyond = Beyond.QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a run is tried again that ended in one of these states, and when.

    The first waits `delay_seconds`, each further one `backoff` times as long. With `exit_codes`, a
    failed one is tried again after these alone.
    """

    limit: int
    delay_seconds: float = 0.0
    backoff: float = 1.0
    on: frozenset[str] = frozenset({"failed", "timed_out", "lost"})
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Which target is told of which events."""

    target: str
    on: frozenset[str]


class OnUnreachable(StrEnum):
    """What becomes of a run whose host is away: it waits, is given up, or is tried again, too."""

    WAIT = "wait"
    LOSE = "lose"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a command says of its runs; None, or empty: as the settings say.

    Times are in seconds, from a moment in the run or its stop. A worker of the `pool` runs it that
    has all labels that it `requires`, each `key=value`; with labels alone one of DEFAULT_POOL.
    `lost_after_seconds`, LOST_AFTER_SECONDS without, count from when its host was last heard of.
    """

    parameters: tuple[Parameter, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    timeout_seconds: float | None = None
    grace_seconds: float | None = None
    max_output_bytes: int | None = None
    output_policy: str | None = None
    concurrency: Concurrency | None = None
    retries: Retries | None = None
    notify: tuple[Notify, ...] = ()
    pool: str | None = None
    requires: tuple[str, ...] = ()
    on_unreachable: OnUnreachable | None = None
    lost_after_seconds: float | None = None

    @classmethod
    def of(cls, stored: object) -> "Options":
        """Read what is stored; a field that is none of this version's is left out."""
        if not isinstance(stored, Mapping) or not stored:
            return NO_OPTIONS
        found: dict[str, Any] = {}
        for name, read in _READ.items():
            if stored.get(name) is not None:
                with suppress(TypeError, ValueError, KeyError, AttributeError):
                    found[name] = read(stored[name])
        return cls(**found)

    def as_json(self) -> dict[str, Any]:
        """Return what is stored: what is said, and nothing else."""
        said: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        said["parameters"] = [one.as_json() for one in self.parameters]
        said["environment"] = dict(self.environment)
        said["requires"] = [*self.requires]
        said["notify"] = [{"target": one.target, "on": sorted(one.on)} for one in self.notify]
        if self.concurrency is not None:
            said["concurrency"] = _plain(self.concurrency)
        if self.retries is not None:
            retries = self.retries
            lists = {"on": sorted(retries.on), "exit_codes": [*retries.exit_codes]}
            said["retries"] = _plain(retries) | lists
        return {name: value for name, value in said.items() if value not in (None, [], {})}

    @property
    def pool_of_workers(self) -> str | None:
        """The pool of which a worker is to claim its runs; None: the server runs them itself."""
        return DEFAULT_POOL if self.pool is None and self.requires else self.pool

    @property
    def leased(self) -> bool:
        """Whether its host ends its runs when its lease is over: others may be started then."""
        return self.on_unreachable is OnUnreachable.RETRY

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the parameters that are secret."""
        if not self.parameters:
            return frozenset()
        return frozenset(one.name for one in self.parameters if one.type is ParameterType.SECRET)


NO_OPTIONS = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The server's own bounds of a run, None: there is none; a command's are within them."""

    timeout_seconds: float | None
    max_output_bytes: int | None

    def beyond(self, options: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what of some options (`Options.as_json`) is beyond, and why, by their names."""
        most: dict[str, tuple[float | None, str]] = {
            "timeout_seconds": (self.timeout_seconds, "TAILRUN_RUN_TIMEOUT_SECONDS"),
            "max_output_bytes": (self.max_output_bytes, "TAILRUN_MAX_OUTPUT_BYTES"),
        }
        return {
            name: [f"It must be at most {text_of(bound)}: the server's own, the setting {setting}."]
            for name, (bound, setting) in most.items()
            if bound is not None and (options.get(name) or 0) > bound
        }


class CauseKind(StrEnum):
    """What started a run that nobody started by hand."""

    SCHEDULE = "schedule"
    HOOK = "hook"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a run was started: the schedule, the hook, or the run that it tries again.

    `due_at` is when a schedule had it due.
    """

    kind: CauseKind
    id: UUID | None = None
    due_at: datetime | None = None

    @classmethod
    def of(cls, stored: object) -> "Cause | None":
        """Read what is stored; None: nothing, or what this version does not know."""
        with suppress(TypeError, ValueError, KeyError, AttributeError):
            if isinstance(stored, Mapping):
                return cls(
                    kind=CauseKind(stored["kind"]),
                    id=None if stored.get("id") is None else UUID(stored["id"]),
                    due_at=_moment(stored.get("due_at")),
                )
        return None

    def as_json(self) -> dict[str, Any]:
        """Return what is stored."""
        said: dict[str, Any] = {"kind": self.kind.value}
        if self.id is not None:
            said["id"] = str(self.id)
        if self.due_at is not None:
            said["due_at"] = self.due_at.isoformat()
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """That a command is not started by schedules, until a moment or until somebody resumes it."""

    note: str | None = None
    until: datetime | None = None
    by: str | None = None
    at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Return whether it has not ended by itself."""
        return self.until is None or self.until > now

    @classmethod
    def of(cls, stored: object) -> "Pause | None":
        """Read what is stored; None: it is not paused."""
        if not isinstance(stored, Mapping):
            return None
        texts = {name: stored[name] for name in ("note", "by") if name in stored}
        with suppress(TypeError, ValueError):
            return cls(**texts, until=_moment(stored.get("until")), at=_moment(stored.get("at")))
        return cls(**texts)

    def as_json(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "note": self.note,
            "until": None if self.until is None else self.until.isoformat(),
            "by": self.by,
            "at": None if self.at is None else self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAsked:
    """What a run is asked for with: the parameters' values as they were given, and why.

    It is not started before the moment `not_before`. `attempt` counts from 1; a further one tries
    the run `retry_of` again. `hook_body` is what a hook was sent.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    cause: Cause | None = None
    not_before: datetime | None = None
    attempt: int = 1
    retry_of: UUID | None = None
    hook_body: bytes | None = field(default=None, repr=False)


PLAIN_START = StartAsked()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What is stored of a new run beyond its script and user; its values were checked.

    `secrets` are the values of secret parameters, which are stored for as long as the run goes on.
    `claimed_at` is when it got its turn, if it needs none any more. `hook_body` is what a hook was
    sent, which is stored for as long. Where its options name no pool it is run by the server that
    stores it, or waits for a worker of the `pool`.
    """

    options: Options = NO_OPTIONS
    parameters: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    cause: Cause | None = None
    not_before: datetime | None = None
    claimed_at: datetime | None = None
    attempt: int = 1
    retry_of: UUID | None = None
    hook_body: bytes | None = field(default=None, repr=False)
    pool: str | None = None

    @property
    def pool_of_workers(self) -> str | None:
        """The pool of which a worker is to claim it; None: the server runs it itself."""
        return self.options.pool_of_workers or self.pool


PLAIN_RUN = NewRun()


def values_of(stored: object) -> Mapping[str, Value]:
    """Read the values of a run's parameters; what is none is left out."""
    if not isinstance(stored, Mapping):
        return {}
    return {name: value for name, value in stored.items() if isinstance(value, Value)}


def text_of(value: Value) -> str:
    """Return a value as a script gets it: `true`, `5`, `0.5`, or the text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _parameters(stored: list[Any]) -> tuple[Parameter, ...]:
    found = []
    for one in stored:
        with suppress(TypeError, ValueError, KeyError, AttributeError):
            found.append(Parameter.of(one))
    return tuple(found)


def _environment(stored: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: text for name, text in stored.items() if isinstance(text, str)}


def _concurrency(stored: Mapping[str, Any]) -> Concurrency:
    beyond = Beyond(stored.get("beyond", Beyond.QUEUE))
    return Concurrency(limit=int(stored["limit"]), beyond=beyond)


def _retries(stored: Mapping[str, Any]) -> Retries:
    kinds: Mapping[str, Callable[[Any], Any]] = {
        "limit": int,
        "delay_seconds": float,
        "backoff": float,
        "on": frozenset,
        "exit_codes": tuple,
    }
    return Retries(**{name: kinds[name](stored[name]) for name in kinds if name in stored})


def _notify(stored: list[Any]) -> tuple[Notify, ...]:
    return tuple(Notify(target=str(one["target"]), on=frozenset(one["on"])) for one in stored)


def _labels(stored: list[Any]) -> tuple[str, ...]:
    return tuple(label for label in stored if isinstance(label, str))


def _of(kind: type | tuple[type, ...]) -> Callable[[Any], Any]:
    def read(stored: Any) -> Any:
        if not isinstance(stored, kind) or isinstance(stored, bool):
            raise TypeError(f"{stored!r} is none of {kind}")
        return stored

    return read


_READ: Mapping[str, Callable[[Any], Any]] = {
    "parameters": _parameters,
    "environment": _environment,
    "working_directory": _of(str),
    "timeout_seconds": _of((int, float)),
    "grace_seconds": _of((int, float)),
    "max_output_bytes": _of(int),
    "output_policy": _of(str),
    "concurrency": _concurrency,
    "retries": _retries,
    "notify": _notify,
    "pool": _of(str),
    "requires": _labels,
    "on_unreachable": OnUnreachable,
    "lost_after_seconds": _of((int, float)),
}
