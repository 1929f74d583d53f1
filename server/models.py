"""The domain's values: plain, immutable, without behaviour that needs I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from server.definition import NO_OPTIONS, Cause, Options, Pause, Value


class RunState(StrEnum):
    """The state of a run; the last five are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    LOST = "lost"

    @classmethod
    def of(cls, text: str) -> "RunState":
        """Return the state of this name; one that this version does not know is taken for `lost`.

        A database may hold what somebody wrote by hand; that must not hide the runs beside it.
        """
        return next((state for state in cls if state == text), cls.LOST)

    @property
    def final(self) -> bool:
        """Whether a run in this state will never change again."""
        return self not in ACTIVE_STATES


ACTIVE_STATES = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, slots=True)
class Command:
    """A stored script; its runs are started as the user `run_as`, None: as the settings say.

    `key` is what files and the command line call it. In a list its texts may be cut, and its
    options left out: `description_truncated`, `script_truncated`, `options_truncated` say so.
    """

    id: UUID
    name: str
    description: str | None
    script: str
    group: str
    created_at: datetime
    updated_at: datetime
    description_truncated: bool = False
    script_truncated: bool = False
    run_as: str | None = None
    key: str | None = None
    options: Options = NO_OPTIONS
    options_truncated: bool = False
    paused: Pause | None = None


@dataclass(frozen=True, slots=True)
class CommandChange:
    """What to change of a command: a field that is None stays.

    Of `description`, `run_as` and `key`, which may be None, another field says whether they stay.
    `options` are what is to be set of the options, as they are stored (`Options.as_json`); None
    takes one away. Those that are not named stay.
    """

    name: str | None = None
    script: str | None = None
    description: str | None = None
    keep_description: bool = False
    group: str | None = None
    run_as: str | None = None
    keep_run_as: bool = True
    key: str | None = None
    keep_key: bool = True
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def named_fields(self) -> list[str]:
        """The names of the fields that are to be changed."""
        given = {"name": self.name is not None, "script": self.script is not None}
        given |= {"description": not self.keep_description, "group": self.group is not None}
        given |= {"run_as": not self.keep_run_as, "key": not self.keep_key}
        return [*(name for name, named in given.items() if named), *self.options]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a command, as stored in `commands_info`.

    `exitcode` and `signal` are None until known, and never both set. `output_bytes` and
    `output_lines` are what is archived; `epoch` counts the servers that have owned the run.
    `run_as` and `options` are its command's when it was stored; lists have no options, and of
    `parameters` none that are large, as `parameters_truncated` says. `parameters` are values, none
    of them secret. It is not started before `not_before`; `claimed_at` is when it got its turn,
    where its command limits how many go on at a time, or its time.

    One of a `pool` is run by the worker that claims it: one that has the labels that it
    `requires`. Until then it is no host's. While it has a `held_at`, no worker gets it: its server
    does not know yet that it is stored. With a `given_up_at` it ended as lost
    since its host was away: it may go on there.
    """

    id: UUID
    command_id: UUID
    state: RunState
    created_at: datetime
    start_time: datetime
    end_time: datetime | None = None
    exitcode: int | None = None
    signal: str | None = None
    reason: str | None = None
    script: str
    output_bytes: int = 0
    output_lines: int = 0
    epoch: int
    host: str | None
    run_as: str | None = None
    options: Options = NO_OPTIONS
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parameters_truncated: bool = False
    cause: Cause | None = None
    attempt: int = 1
    retry_of: UUID | None = None
    not_before: datetime | None = None
    claimed_at: datetime | None = None
    pool: str | None = None
    requires: tuple[str, ...] = ()
    held_at: datetime | None = None
    given_up_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether it is not to be started yet: it waits for its time, or for its turn."""
        is_held = self.not_before is not None or self.options.concurrency is not None
        return is_held and self.state is RunState.QUEUED and self.claimed_at is None

    @property
    def unclaimed(self) -> bool:
        """Whether it is no host's: a worker of its pool is to claim it."""
        return self.host is None and not self.state.final


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; None, no states, or no words: whatever it is.

    They were created from `since` on and before `until`, and took from `min_seconds` to
    `max_seconds`, one that runs up to now; their reason has these words, in this order. `host` is
    the identity of the one that has them.
    """

    states: frozenset[RunState] = frozenset()
    command_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    exitcode: int | None = None
    retry_of: UUID | None = None
    host: str | None = None
    pool: str | None = None
    reason: str = ""


EVERY_RUN = RunFilter()


@dataclass(frozen=True, slots=True)
class CommandLabel:
    """What a command is called, and its group."""

    id: UUID
    name: str
    group: str


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What identifies a request that comes again: its key, and a hash of what it asks for."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class MadeBefore:
    """What was made for a request: a command, and its run, if one was asked for."""

    fingerprint: bytes
    command_id: UUID
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, to be stored with the last byte of its output."""

    state: RunState
    end_time: datetime
    exitcode: int | None = None
    signal: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a run's output as archived: one zstd frame.

    `first_line` is the number (from 1) of the line that the first byte belongs to;
    `line_count` the number of newlines in the chunk; `written_at` when the server first saw
    its last byte, and `marks` when it saw those before (`server.output.marks`).
    """

    byte_offset: int
    byte_count: int
    first_line: int
    line_count: int
    written_at: datetime
    data: bytes
    marks: bytes = b""

    @property
    def end(self) -> int:
        """The offset of the byte after its last one."""
        return self.byte_offset + self.byte_count

    def contains(self, offset: int) -> bool:
        """Return whether the byte at an offset is in it."""
        return self.byte_offset <= offset < self.end


@dataclass(frozen=True, slots=True)
class Advance:
    """One run's step in a batch of the archive: from one offset to another.

    It takes effect only if the run still stands at `from_offset` and `epoch` (compare and
    append). `preview` is the text to add to `commands_info.output`. `start_time`, when set, is
    the moment the run's process started (the run becomes `running`); `end`, when set, ends it.

    A `late` one is of a run that was given up while its host was away, and takes effect only there:
    it adds output, and neither start nor end.
    """

    run_id: UUID
    epoch: int
    from_offset: int
    to_offset: int
    to_lines: int
    chunks: tuple[Chunk, ...] = ()
    preview: str = ""
    start_time: datetime | None = None
    end: RunEnd | None = None
    late: bool = False

    def __post_init__(self) -> None:
        assert not self.late or (self.start_time is None and self.end is None), "it has ended"
        assert self.from_offset <= self.to_offset, "an archive does not shrink"
        ends = [self.from_offset, *(chunk.end for chunk in self.chunks)]
        if self.chunks:
            assert ends[:-1] == [chunk.byte_offset for chunk in self.chunks], "chunks adjoin"
            assert ends[-1] == self.to_offset, "chunks are all of the step"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run's archive stands; `given_up`: it ended as lost while its host was away."""

    epoch: int
    output_bytes: int
    output_lines: int
    state: RunState
    given_up: bool = False

    def applied_to(self, run: Run) -> Run:
        """Return the run with this epoch and these lengths."""
        return replace(
            run,
            epoch=self.epoch,
            output_bytes=self.output_bytes,
            output_lines=self.output_lines,
        )


class HookScheme(StrEnum):
    """How a sender signs what it sends to a hook."""

    GITHUB = "github"
    GITLAB = "gitlab"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What another service starts runs of a command by, without its secret.

    With `events` these alone start one. `parameters` are JSON pointers into the body, by the names
    of the parameters whose values they lead to. One that is not `enabled` starts nothing.
    """

    id: UUID
    command_id: UUID
    name: str
    scheme: HookScheme
    events: tuple[str, ...]
    parameters: Mapping[str, str]
    enabled: bool
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHook:
    """A hook that is to be made; without a secret it gets a new one."""

    name: str
    scheme: HookScheme
    secret: str | None = field(default=None, repr=False)
    events: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HookChange:
    """What to change of a hook: a field that is None stays."""

    name: str | None = None
    secret: str | None = field(default=None, repr=False)
    events: tuple[str, ...] | None = None
    parameters: Mapping[str, str] | None = None
    enabled: bool | None = None

    @property
    def named_fields(self) -> list[str]:
        """The names of the fields that are to be changed."""
        names = ("name", "secret", "events", "parameters", "enabled")
        return [name for name in names if getattr(self, name) is not None]
