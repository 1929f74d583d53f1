"""Follows a run: its bytes to stdout, and what signals ask for meanwhile."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import aclosing
from typing import Any, NamedTuple

from tailrun.cli.bar import CLEAR, Rate, bar, sentence
from tailrun.cli.exits import SIGNALLED, code_of
from tailrun.cli.notes import Notes
from tailrun.cli.stdout import Stdout
from tailrun.client import Client
from tailrun.errors import AddressError, AwayError, ClientError, NotSignedInError
from tailrun.values import Run

LOST_SIGHT = (AwayError, AddressError, NotSignedInError)
"""Errors that say nothing of the run: it may go on."""

LETTING_GO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BAR_SECONDS = 0.2
LOOK_SECONDS = 1.0
"""Between two looks at the run, for what a terminal shows of it."""


class How(NamedTuple):
    """How a run is followed."""

    offset: int = 0
    stop_on_interrupt: bool = False
    shows_output: bool = True
    """Whether its output goes to stdout, or its end alone is waited for."""


class Follower:
    """Follows one run to its end, or until it is let go."""

    def __init__(self, client: Client, run: Run, notes: Notes, how: How) -> None:
        self.run = run
        """As it was seen last."""

        self._client = client
        self._notes = notes
        self._how = how
        self._output = client.output(run.id, offset=how.offset)
        self._interrupts = 0
        self._let_go: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stops: set[asyncio.Task[None]] = set()

    async def follow(self) -> int:
        """Follow the run; return the exit code.

        Raises:
            ClientError: the server is away for too long, or refuses.
            OSError: the output cannot be written.
        """
        loop = asyncio.get_running_loop()
        # Some are ignored in the background of a script.
        heard = [one for one in LETTING_GO if signal.getsignal(one) is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._interrupted, number)
        task = asyncio.create_task(self._copied() if self._how.shows_output else self._awaited())
        watching = asyncio.create_task(self._watch()) if self._notes.on_terminal else None
        try:
            await asyncio.wait({task, self._let_go}, return_when=asyncio.FIRST_COMPLETED)
            code = self._let_go.result() if self._let_go.done() else task.result()
        except LOST_SIGHT:
            self._say_how_to_come_back("may go on")
            raise
        finally:
            await _end(task, *self._stops, *filter(None, [watching]))
            for number in heard:
                loop.remove_signal_handler(number)
        if not self._let_go.done():
            self._say_how_it_ended()
        return code

    async def _copied(self) -> int:
        """Copy the output to stdout; return the exit code."""
        stdout = Stdout(sys.stdout.fileno())
        try:
            copying = asyncio.create_task(self._copy(stdout))
            gone = asyncio.create_task(stdout.gone.wait())
            try:
                await asyncio.wait({copying, gone}, return_when=asyncio.FIRST_COMPLETED)
                if copying.done():
                    copying.result()
            finally:
                await _end(copying, gone)
        except BrokenPipeError:
            pass
        finally:
            stdout.close()
        if self._output.run is None:  # whoever reads it has seen enough: as SIGPIPE has it
            return SIGNALLED + signal.SIGPIPE
        self.run = self._output.run
        return code_of(self.run)

    async def _copy(self, stdout: Stdout) -> None:
        async with aclosing(aiter(self._output)) as chunks:
            async for chunk in chunks:
                await stdout.write(chunk)

    async def _awaited(self) -> int:
        self.run = await self._client.wait(self.run.id)
        return code_of(self.run)

    def _interrupted(self, number: signal.Signals) -> None:
        self._interrupts += 1
        if not self._how.stop_on_interrupt or self._interrupts > 2:
            if not self._let_go.done():
                self._say_how_to_come_back("goes on")
                self._let_go.set_result(SIGNALLED + number)
            return
        if self._interrupts == 1:
            self._notes.say(f"Run {self.run.id} is being stopped. Once more kills it.")
            self._ask_to_stop()
        else:
            self._notes.say(f"Run {self.run.id} is being killed.")
            self._ask_to_stop(signal="SIGKILL", grace_seconds=0)

    def _ask_to_stop(self, **how: Any) -> None:
        async def stop() -> None:
            try:
                await self._client.stop_if_active(self.run.id, **how)
            except ClientError as error:
                self._notes.error(error)

        task = asyncio.create_task(stop())
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def _watch(self) -> None:
        """Show a terminal what the run does: a bar, or why it waits."""
        has_bar = self._how.shows_output and not sys.stdout.isatty()
        looking = asyncio.create_task(self._look(has_bar=has_bar))
        try:
            if has_bar:
                await self._draw()
            await looking
        finally:
            if has_bar:
                self._notes.draw(CLEAR)
            await _end(looking)

    async def _look(self, *, has_bar: bool) -> None:
        told = None
        while not self.run.ended and (has_bar or self.run.state == "queued"):
            await asyncio.sleep(LOOK_SECONDS)
            self.run = await self._client.get(self.run.id)
            reason = self.run.reason or "it waits for a place"
            if not has_bar and self.run.state == "queued" and reason != told:
                told = reason
                self._notes.say(f"Run {self.run.id} is queued: {sentence(reason)}.")

    async def _draw(self) -> None:
        rate, loop = Rate(), asyncio.get_running_loop()
        began_at = loop.time()
        while True:
            await asyncio.sleep(BAR_SECONDS)
            now, size = loop.time(), self._output.offset
            width = shutil.get_terminal_size().columns
            self._notes.draw(bar(self.run, size, rate.at(now, size), now - began_at, width))

    def _say_how_to_come_back(self, what: str) -> None:
        at = f" --offset {self._output.offset}" if self._output.offset else ""
        self._notes.say(
            f"Run {self.run.id} {what}. Come back by `tailrun tail {self.run.id}{at}`, or stop it"
            f" by `tailrun stop {self.run.id}`."
        )

    def _say_how_it_ended(self) -> None:
        """Say what the exit code alone does not: all but a script's own end."""
        run = self.run
        if run.ended and (run.reason or run.state in {"stopped", "timed_out", "lost"}):
            because = f": {sentence(run.reason)}" if run.reason else ""
            self._notes.say(f"Run {run.id} ended as {run.state}{because}.")


async def _end(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def leave_stdout() -> None:
    """Have nothing more written to stdout, whose reader is gone, when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
