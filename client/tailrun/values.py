"""What a server answers, as values. What a newer server adds is kept in `data`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

ENDED = frozenset({"succeeded", "failed", "stopped", "timed_out", "lost"})
"""States that never change again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a command."""

    id: str
    command_id: str
    state: str
    """queued, running, then succeeded, failed, stopped, timed_out or lost."""

    stopping: bool
    paused: bool
    created_at: datetime
    start_time: datetime | None
    end_time: datetime | None
    exitcode: int | None
    signal: str | None
    """The signal that ended it, such as SIGKILL; never together with an exit code."""

    reason: str | None
    """What the state alone does not say."""

    output_bytes: int
    data: Mapping[str, Any] = field(repr=False)
    """All that the server says of it."""

    @property
    def ended(self) -> bool:
        """Return whether it is over: then nothing of it changes any more."""
        return self.state in ENDED

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Make a run of the server's JSON."""
        return cls(
            id=data["id"],
            command_id=data["command_id"],
            state=data["state"],
            stopping=data["stopping"],
            paused=data["paused"],
            created_at=datetime.fromisoformat(data["created_at"]),
            start_time=_time(data["start_time"]),
            end_time=_time(data["end_time"]),
            exitcode=data["exitcode"],
            signal=data["signal"],
            reason=data["reason"],
            output_bytes=data["output_bytes"],
            data=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a command."""

    name: str
    type: str
    """string, text, integer, number, boolean, choice, date or secret."""

    required: bool
    data: Mapping[str, Any] = field(repr=False)
    """All that the command says of it."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Make a parameter of the server's JSON."""
        return cls(
            name=data["name"],
            type=data.get("type", "string"),
            required=bool(data.get("required", False)),
            data=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A stored script."""

    id: str
    key: str | None
    name: str
    description: str | None
    script: str | None
    """None for whoever may not start it; in lists its first 4 KiB."""

    group: str
    parameters: tuple[Parameter, ...]
    last_run: Run | None
    data: Mapping[str, Any] = field(repr=False)
    """All that the server says of it."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Make a command of the server's JSON."""
        return cls(
            id=data["id"],
            key=data.get("key"),
            name=data["name"],
            description=data["description"],
            script=data["script"],
            group=data["group"],
            parameters=tuple(Parameter.of(one) for one in data.get("parameters") or ()),
            last_run=None if data["last_run"] is None else Run.of(data["last_run"]),
            data=data,
        )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
