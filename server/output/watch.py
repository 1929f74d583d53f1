"""Refreshes the logs whose files grew: one inotify descriptor for the whole server."""

import asyncio
import errno
import logging
import os
import struct
from collections.abc import Callable
from contextlib import suppress

from inotify_simple import INotify, flags

from server.output.log import RunLog

POLL_SECONDS = 0.02
"""Pause between two looks at the logs for which inotify is not available."""

EVENT_BYTES = 16 * 1024
"""Events taken at once; what is left is taken in the loop's next round."""

EVENT = struct.Struct("iIII")
"""struct inotify_event: watch descriptor, mask, cookie, and the length of the name that follows."""

LOOK_SECONDS = 1.0
"""Pause between two looks at all logs: a directory that was moved or made anew has no event."""

GROWTH = flags.MODIFY
CHANGE = flags.MOVED_TO | flags.CREATE | flags.DELETE | flags.ONLYDIR | flags.DONT_FOLLOW
OVERFLOW = -1
"""The watch descriptor of the event that says that others were dropped (inotify(7))."""

logger = logging.getLogger(__name__)


class Watch:
    """Refreshes the logs added to it whenever their files change, until it is closed.

    The output itself is watched for growth, its directory for the exit record: events of the
    directory alone would, on some kernels, come for every write to the run's pipe too. Made
    within a running loop. Where inotify(7) is not available, or its limits are reached, the logs
    concerned are looked at every `POLL_SECONDS`; the server's log says so once.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._logs: dict[RunLog, tuple[int, ...]] = {}
        self._watched = dict[int, Callable[[], None]]()
        self._polled: set[RunLog] = set()
        self._poll: asyncio.TimerHandle | None = None
        self._warned = False
        self._failed = ""
        self._inotify: INotify | None = None
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            self._warn(error)
        else:
            self._loop.add_reader(self._inotify.fileno(), self._take, self._inotify)
        self._all = self._loop.call_later(LOOK_SECONDS, self._look_at_all)

    def add(self, log: RunLog) -> None:
        """Refresh the log now and at each change of its files."""
        try:
            self._logs[log] = self._watch(log)
        except OSError as error:
            self._warn(error)
            self._logs[log] = ()
            self._polled.add(log)
            self._poll = self._poll or self._loop.call_later(POLL_SECONDS, self._look)
        log.refresh()

    def remove(self, log: RunLog) -> None:
        """Refresh the log no more; harmless when it was not added."""
        self._polled.discard(log)
        self._unwatch(self._logs.pop(log, ()))

    def close(self) -> None:
        """Refresh no log any more; `remove` stays harmless."""
        self._all.cancel()
        if self._poll is not None:
            self._poll.cancel()
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()
        self._logs.clear()

    def _require(self) -> INotify:
        if self._inotify is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        return self._inotify

    def _watch(self, log: RunLog) -> tuple[int, ...]:
        """Watch a log's output and directory, both or none."""
        inotify = self._require()
        growth = inotify.add_watch(log.path, GROWTH)
        try:
            change = inotify.add_watch(log.directory, CHANGE)
        except OSError:
            self._unwatch((growth,))
            raise
        self._watched |= {growth: log.grow, change: log.refresh}
        return growth, change

    def _unwatch(self, descriptors: tuple[int, ...]) -> None:
        """End watches; the kernel has done so already where the file was removed."""
        for descriptor in descriptors:
            self._watched.pop(descriptor, None)
            with suppress(OSError):
                self._require().rm_watch(descriptor)

    def _take(self, inotify: INotify) -> None:
        """Look at the logs that have events; at all of them when the kernel dropped some."""
        changed = _watches(os.read(inotify.fileno(), EVENT_BYTES))
        if OVERFLOW in changed:
            changed = set(self._watched)
        # The kernel may still have events of a watch that has ended.
        for descriptor in changed & self._watched.keys():
            self._look_at(self._watched[descriptor])

    def _look_at(self, look: Callable[[], None]) -> None:
        """Look at one log; what fails for it is its own, and is logged once."""
        try:
            look()
        except Exception as error:
            if repr(error) != self._failed:
                self._failed = repr(error)
                logger.warning("output is not looked at, but tried again every second: %s", error)

    def _look_at_all(self) -> None:
        for log in self._logs:
            self._look_at(log.refresh)
        self._all = self._loop.call_later(LOOK_SECONDS, self._look_at_all)

    def _look(self) -> None:
        for log in self._polled:
            self._look_at(log.refresh)
        self._poll = self._loop.call_later(POLL_SECONDS, self._look) if self._polled else None

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "output is looked at every %d ms, as inotify is not available: %s;"
                " see fs.inotify in sysctl(8)",
                POLL_SECONDS * 1000,
                error.strerror,
            )


def _watches(events: bytes) -> set[int]:
    """Return the watch descriptors of events.

    Their names are of no use here, and a line is on its way: inotify_simple's `parse_events`,
    which decodes them, takes 15 of the 350 microseconds from its writer to its viewer.
    """
    found, start = set(), 0
    while start < len(events):
        descriptor, _, _, name_bytes = EVENT.unpack_from(events, start)
        found.add(descriptor)
        start += EVENT.size + name_bytes
    return found
