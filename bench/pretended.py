"""Pretended workers: what servers, NATS and PostgreSQL hear of many hosts, and nothing behind it.

Each has a connection of its own and listens as a worker does. It beats, asks for runs now and then
and whenever one is stored, and says of each run that it has begun, has written, and has ended. What
is due is asked whether or not what was asked before is answered, and a time counts from when it was
due: a server that falls behind is not spared.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import zstandard

from bench.write import LINE_BYTES
from server.errors import TailrunError
from server.models import Advance, Chunk, Run, RunEnd, RunState
from server.wire import subjects
from server.wire.codec import decode, encode
from server.wire.failures import raise_failure
from server.wire.messages import Append, Beat, Claim, Claimed
from server.wire.values import parts_of, value_of

BEAT_SECONDS, LOOK_SECONDS = 15.0, 30.0
PLACES = 16
STEP_LINES, STEPS, STEP_SECONDS = 67, 3, 0.5
"""A run writes 20 kB, and is told of in so many steps."""

CONNECTING = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1}
BEATING = encode(parts_of(Beat()))
CLAIMING = encode(parts_of(Claim(places=PLACES)))
LINES = b"".join(b"%*d\n" % (LINE_BYTES - 1, random.getrandbits(64)) for _ in range(STEP_LINES))
DATA = zstandard.compress(LINES, 1)


class Asked(NamedTuple):
    """A question: what for, when it was due, and what is done with its answer."""

    word: str
    due: float
    then: Callable[[bytes], None] | None


@dataclass
class Heard:
    """What was asked and answered, by words; `failed` says of what was refused why."""

    asked: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: Counter[str] = field(default_factory=Counter)


class Pretended(asyncio.Protocol):
    """A worker, as far as the others can tell."""

    heard = Heard()
    """Of all of them, since the last look."""

    times_as_fast = 1
    """So many times as often as they would all of them beat and look."""

    def __init__(self, host: str, pool: str) -> None:
        self._host, self._pool = host, pool
        self._inbox = subjects.inbox(host)
        self._rest = b""
        self._number = 0
        self._asked: dict[bytes, Asked] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        listening = (
            f"{self._inbox}.*",
            f"{subjects.PREFIX}.w.{self._host}.>",
            f"{subjects.bell(self._pool)} {subjects.IDLE}",
            subjects.bell_of_all(self._pool),
        )
        lines = [b"CONNECT " + orjson.dumps(CONNECTING)]
        lines += [f"SUB {one} {number}".encode() for number, one in enumerate(listening)]
        transport.write(b"\r\n".join((*lines, b"")))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        start = 0
        while (end := data.find(b"\r\n", start)) >= 0:
            line = data[start:end]
            start = end + 2
            if line.startswith(b"MSG"):
                _, subject, _, *_, size = line.split(b" ")
                if len(data) < (end := start + int(size) + 2):
                    start -= len(line) + 2
                    break
                self._take(subject, data[start : end - 2])
                start = end
            elif line.startswith(b"PING"):
                self._write(b"PONG\r\n")
            else:
                assert line.startswith((b"INFO", b"PONG")), line
        self._rest = data[start:]

    def ask(
        self, word: str, data: bytes, due: float, then: Callable[[bytes], None] | None = None
    ) -> None:
        """Ask the servers for something; `then` gets the answer."""
        self._number += 1
        reply = f"{self._inbox}.{self._number}".encode()
        self._asked[reply] = Asked(word, due, then)
        self.heard.asked[word] += 1
        subject = subjects.to_servers(self._host, word).encode()
        self._write(b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(data), data))

    def begin(self, now: float) -> None:
        """Beat and look from now on, in a rhythm of its own."""
        self._later(now + random.uniform(0, BEAT_SECONDS / self.times_as_fast), self.beat)
        self._later(now + random.uniform(0, LOOK_SECONDS / self.times_as_fast), self.look)

    def beat(self, due: float) -> None:
        """Beat, from now on again and again."""
        self.ask("beat", BEATING, due)
        self._later(due + BEAT_SECONDS / self.times_as_fast, self.beat)

    def look(self, due: float) -> None:
        """Ask for runs though nobody has rung, again and again."""
        self.claim(due)
        pause = LOOK_SECONDS * random.uniform(0.75, 1.25)
        self._later(due + pause / self.times_as_fast, self.look)

    def claim(self, due: float) -> None:
        """Ask for runs, and pretend to run them."""
        self.ask("claim", CLAIMING, due, self._claimed)

    def close(self) -> None:
        """End it; what is due later is not done."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _claimed(self, data: bytes) -> None:
        for run in value_of(Claimed, decode(data)).runs:
            self._tell(run, steps(run), time.monotonic())

    def _tell(self, run: Run, of_it: Iterator[Advance], due: float) -> None:
        advance = next(of_it, None)
        if advance is not None:
            data = encode(parts_of(Append(advances=(advance,))))
            self.ask(
                "append",
                data,
                due,
                lambda _: self._later(
                    max(due + STEP_SECONDS, time.monotonic()),
                    lambda then: self._tell(run, of_it, then),
                ),
            )

    def _take(self, subject: bytes, data: bytes) -> None:
        asked = self._asked.pop(subject, None)
        if asked is None:  # a bell: whoever stores a run here has a worker ask by itself
            return
        try:
            raise_failure(decode(data))
        except TailrunError as error:
            self.heard.failed[f"{asked.word}: {error}"] += 1
            return
        self.heard.seconds[asked.word].append(time.monotonic() - asked.due)
        if asked.then is not None:
            asked.then(data)

    def _later(self, due: float, call: Callable[[float], None]) -> None:
        if self._transport is not None:
            asyncio.get_running_loop().call_at(due, self._if_there, call, due)

    def _if_there(self, call: Callable[[float], None], due: float) -> None:
        if self._transport is not None:
            call(due)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def steps(run: Run) -> Iterator[Advance]:
    """Iterate over what is told of a run: that it has begun, what it has written, its end."""
    for number in range(STEPS):
        now, offset, line = datetime.now(UTC), number * len(LINES), number * STEP_LINES
        is_last = number == STEPS - 1
        yield Advance(
            run_id=run.id,
            epoch=run.epoch,
            from_offset=offset,
            to_offset=offset + len(LINES),
            to_lines=line + STEP_LINES,
            chunks=(Chunk(offset, len(LINES), line + 1, STEP_LINES, now, DATA),),
            start_time=None if number else now,
            end=RunEnd(RunState.SUCCEEDED, now, exitcode=0) if is_last else None,
        )
