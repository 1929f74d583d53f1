"""The lease of the host, and the timer that tells of its end.

Some runs go on within the lease alone: once it is over, another host may begin them anew. Its
moments are seconds of CLOCK_BOOTTIME (clock_gettime(2)), which counts on while the machine sleeps,
and which nobody sets. It is in STATE_DIR/keeper/lease, so that it holds for a keeper that follows.
"""

import asyncio
import contextlib
import ctypes
import json
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from server.keeper import processes
from server.keeper.checks import seconds, text, value_of
from server.keeper.files import read_object, write_whole
from server.keeper.protocol import boottime

END_SECONDS = 10.0
"""From the end of the lease until nothing is left of a run that it held."""

MAX_LEASE_SECONDS = 3700.0
"""A longer one is none: whoever tells of it has another clock."""

LAST_WORDS_SECONDS = 0.05
"""What was said while this process stood still is heard before the lease is held to be over; where
that is so by END_SECONDS already, the machine has slept, and nothing is waited for."""

TFD_FLAGS = 0o2004000
TFD_TIMER_ABSTIME = 1
"""TFD_CLOEXEC and TFD_NONBLOCK; and that of timerfd_settime(2). Python has both since 3.13."""

logger = logging.getLogger(__name__)


class LeaseTimer:
    """Since when and until when this host has its lease, without a break.

    `on_over` is called at its end, and again when END_SECONDS have passed since, if it is watched.
    """

    def __init__(self, state_dir: Path, on_over: Callable[[], None]) -> None:
        self._path = state_dir / "keeper" / "lease"
        self._on_over = on_over
        self._timer: Timer | None = None
        self._is_saved = True
        self.since, self.until = self._read()

    def covers(self, moment: float) -> bool:
        """Whether it has stood from this moment on, and stands."""
        return self.since <= moment and boottime() < self.until

    @property
    def ends_in(self) -> float:
        """So many seconds are left to what it held, once it is over: END_SECONDS at most."""
        return min(max(self.until + END_SECONDS - boottime(), 0.0), END_SECONDS)

    def extend(self, since: float, until: float) -> None:
        """Note that it stands from one moment to another; it grows by what is without a break.

        Raises:
            ValueError: these are no moments of this host's clock.
        """
        now = boottime()
        if not since <= now + 1 or not since <= until <= now + MAX_LEASE_SECONDS:
            raise ValueError(
                f"a lease from {since} to {until} is none by the clock of this host (CLOCK_BOOTTIME"
                f" {now:.0f})"
            )
        if until < self.since:
            return  # it was told late
        if since <= self.until:
            since, until = min(since, self.since), max(until, self.until)
        elif self._timer is not None:
            self._on_over()  # before it stands again: what the former held may go on elsewhere
        self.since, self.until = since, until
        self._save()
        if self._timer is not None:
            self._timer.set(self.until)

    def watch(self) -> None:
        """Tell of its end from now on."""
        if self._timer is None:
            self._timer = Timer(self._due)
            self._timer.set(self.until)

    def _due(self) -> None:
        if self.ends_in > 0:
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._look)
        else:  # another host may have begun it: nobody's words are waited for
            self._look()

    def _look(self) -> None:
        """See whether it is over, and have what it held ended."""
        if self._timer is None or boottime() < self.until:
            return  # it was extended, and with it the timer
        if boottime() < self.until + END_SECONDS:
            self._timer.set(self.until + END_SECONDS)
        self._on_over()

    def _save(self) -> None:
        """Write it down for the next keeper; without that, it holds for this one alone."""
        values = {"boot_id": processes.boot_id(), "since": self.since, "until": self.until}
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._path, json.dumps(values).encode())
        except OSError as error:
            if self._is_saved:
                logger.warning("the lease of this host cannot be noted on disk: %s", error)
            self._is_saved = False
        else:
            self._is_saved = True

    def _read(self) -> tuple[float, float]:
        """Return what the keeper before has noted since the host was started."""
        with contextlib.suppress(OSError, ValueError):
            values = read_object(self._path) or {}
            since, until = (float(value_of(values, name, seconds())) for name in ("since", "until"))
            same = value_of(values, "boot_id", text(100)) == processes.boot_id()
            if same and since <= until <= boottime() + MAX_LEASE_SECONDS:
                return since, until
        return -math.inf, -math.inf


class Timer:
    """Calls `on_due` when a moment of CLOCK_BOOTTIME has come; at once, if it has passed.

    Unlike the timers of the loop it counts on while the machine sleeps (timerfd_create(2)).
    """

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(time.CLOCK_BOOTTIME, TFD_FLAGS)
        if self._descriptor < 0:
            raise _error()
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def set(self, moment: float) -> None:
        """Have it be due at this moment, whatever was set before."""
        at = max(moment, 0.001)  # zero is never
        value = _Itimerspec(0, 0, int(at), int(at % 1 * 1e9))
        flags = TFD_TIMER_ABSTIME
        if self._libc.timerfd_settime(self._descriptor, flags, ctypes.byref(value), None) < 0:
            raise _error()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was set anew meanwhile
            os.read(self._descriptor, 8)
            self._on_due()


class _Itimerspec(ctypes.Structure):
    """The structure of that name (timerfd_settime(2)): an interval, and a moment."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
