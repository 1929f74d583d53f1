"""What servers and workers say to each other, by the words of the subjects. Pure.

Every request may be asked again: its answer may have been lost. Who asks is in the subject.

    hello      Hello        -> Standing      a worker is there
    beat       Beat         -> Standing      and still is
    claim      Claim        -> Claimed       gives it runs that wait in its pools
    start      Start        -> Secrets       what a run that it owns is started with
    get        Get          -> Known         a run that it owns
    append     Append       -> Appended      moves its runs on, by compare and append
    active     Active       -> ActiveRuns    the runs that it owns, a part at a time
    positions  Positions    -> Found         where archives stand
    times      Times        -> SeenTimes     when what is archived was first seen, a part at a time
    takeover   TakeOver     -> Found         raises the epochs of its runs

    read       Read         -> Piece         output from an offset on; waits for it
    lines      Lines        -> Place         from lines to offsets, and back
    marks      Marks        -> Marked        when output was first seen
    stop       Stop         -> Seen          ends a run
    signal     Signal       -> Seen          sends a signal to it
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from server.models import Advance, Position, Run, RunEnd, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A process of a host: of those that have its identity one at a time is given runs.

    `before` are those that its state directory knows of since servers last heard one of it;
    `are_over`: they have ended for certain, as each of them held the lock of this very directory.
    `age` is what the directory has counted up to: one that was copied before knows less.
    """

    id: str
    before: tuple[str, ...] = ()
    are_over: bool = False
    age: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A worker says what it is: what it may run is decided by what servers know of it.

    `places`: how many runs at once. `version` is that of its Tailrun. `life` is which of its
    processes says that; None: it is of a version before this.
    """

    name: str
    version: str
    pools: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    places: int = 0
    life: Life | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A worker goes on.

    `stopped` are runs whose stops it has taken: it is not to be told of them again.
    `life` is which of its processes goes on, and `age` what its state directory has counted up to.
    """

    stopped: frozenset[UUID] = frozenset()
    life: str | None = None
    age: int = 0


class WorkerState(StrEnum):
    """What servers make of a worker."""

    ACTIVE = "active"
    DRAINING = "draining"
    UNREACHABLE = "unreachable"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWanted:
    """A stop that was asked for while the worker was away."""

    run_id: UUID
    signal: str
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a worker stands with the servers.

    Its lease lasts for `lease_seconds` from when it sent what this answers; it is to beat again
    after `beat_seconds`. `stops` are to be done, and are told until it says that it has taken them.
    `version` is that of the server's Tailrun; one of before this does not say it. `life` is which
    process of the host is noted to have the lease; a server of before this notes none.
    """

    state: WorkerState
    lease_seconds: float
    beat_seconds: float
    version: str = ""
    pools: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    places: int = 0
    stops: tuple[StopWanted, ...] = ()
    life: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker asks for runs, `places` at most; `life` is which of its processes does."""

    places: int
    life: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The runs that a worker has claimed, oldest first.

    `more`: it has claimed others that did not fit, which are among its active ones.
    """

    runs: tuple[Run, ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A worker asks what a run of its own is started with, when it is."""

    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a run is started with besides its script; `body`: what a hook was sent."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """A worker asks for a run of its own."""

    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A run, as it is stored."""

    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Moves runs on; one advance of a run."""

    advances: tuple[Advance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The runs that have moved."""

    moved: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A server tells the others which runs have changed; none: it is not known which."""

    host: str
    runs: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A worker asks for the runs that it owns, in the order of their ids, those behind `after`."""

    after: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRuns:
    """Runs that a worker owns; `more`: there are others behind the last one."""

    runs: tuple[Run, ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """A worker asks where the archives of runs stand."""

    run_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """A worker becomes the owner of runs anew: their epochs are raised, from these, by one.

    Asked again they stay as they are: a request that comes late would else raise them behind the
    owner, who would take the runs for somebody else's. `life` is which of its processes asks.
    """

    epochs: Mapping[UUID, int]
    life: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where archives stand; runs that are not there, or not to be taken over, are left out."""

    positions: Mapping[UUID, Position]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """A worker asks when what is archived of a run was first seen, from an offset on."""

    run_id: UUID
    from_offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTimes:
    """Offsets, ascending, and Unix seconds; `more`: there are others behind the last one."""

    times: tuple[tuple[int, float], ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run as its worker sees it now.

    `size` is what has been written; `has_output`: it has a process, or had one. `ended`: no byte
    will follow; `end` is set once its end is known, and `lines`, the newlines of all its output,
    with it. `change` is another one after each change.
    """

    state: RunState
    start_time: datetime
    change: int
    size: int = 0
    has_output: bool = False
    ended: bool = False
    stopping: bool = False
    paused: bool = False
    reason: str | None = None
    end: RunEnd | None = None
    lines: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A server asks for output of a run, up to `limit` bytes from `offset` on.

    It is answered as soon as there is some, the run has ended, or is not as it was at `change`
    (None: that does not matter), or after `wait_seconds`. `packed`: whoever asks can unpack it.
    """

    run_id: UUID
    offset: int
    limit: int
    wait_seconds: float = 0.0
    change: int | None = None
    packed: bool = False


class SeenAt(NamedTuple):
    """The bytes from `offset` on were first seen at `time`, in Unix seconds."""

    offset: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Output from the offset that was asked for on, perhaps none, and when it was first seen.

    With `packed_bytes` it is a zstd frame, of so many bytes (`wire/packing.py`).
    """

    seen: Seen
    data: bytes = field(default=b"", repr=False)
    marks: tuple[SeenAt, ...] = ()
    packed_bytes: int | None = None


class Sought(StrEnum):
    """What is asked of lines: the methods of `Output` of these names."""

    LINES_BEFORE = "lines_before"
    LINE_COUNT = "line_count"
    LINE_OFFSET = "line_offset"
    TAIL_OFFSET = "tail_offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A server asks for what `sought` returns for a number."""

    run_id: UUID
    sought: Sought
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The number that was sought."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """A server asks when output was first seen: the mark at `start`, and those before `end`."""

    run_id: UUID
    start: int
    end: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """The marks, up to `limit` of them."""

    marks: tuple[SeenAt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A server asks to end a run, as `Control.stop`."""

    run_id: UUID
    signal: str
    grace_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A server asks to send a signal to a run, as `Control.signal`."""

    run_id: UUID
    name: str


class Exchange(NamedTuple):
    """What is asked with a word, and what is answered."""

    request: type[object]
    answer: type[object]


EXCHANGES: Mapping[str, Exchange] = {
    "hello": Exchange(Hello, Standing),
    "beat": Exchange(Beat, Standing),
    "claim": Exchange(Claim, Claimed),
    "start": Exchange(Start, Secrets),
    "get": Exchange(Get, Known),
    "append": Exchange(Append, Appended),
    "active": Exchange(Active, ActiveRuns),
    "positions": Exchange(Positions, Found),
    "times": Exchange(Times, SeenTimes),
    "takeover": Exchange(TakeOver, Found),
    "read": Exchange(Read, Piece),
    "lines": Exchange(Lines, Place),
    "marks": Exchange(Marks, Marked),
    "stop": Exchange(Stop, Seen),
    "signal": Exchange(Signal, Seen),
}
"""What is asked with each word."""
