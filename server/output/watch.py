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
"""Pause between two refreshes of the logs for which inotify is not available."""

EVENT_BYTES = 16 * 1024
"""Events read at once; the rest is read in the loop's next round, so that it does not block."""

EVENT = struct.Struct("iIII")
"""struct inotify_event: watch descriptor, mask, cookie, and the length of the name that follows."""

REFRESH_SECONDS = 1.0
"""Pause between two refreshes of all logs: a directory that was moved or made anew has no event."""

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
    concerned are polled every `POLL_SECONDS`; the server's log says so once.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._logs: dict[RunLog, tuple[int, ...]] = {}
        self._callbacks = dict[int, Callable[[], None]]()
        self._polled: set[RunLog] = set()
        self._poll_timer: asyncio.TimerHandle | None = None
        self._warned = False
        self._failed = ""
        self._inotify: INotify | None = None
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            self._warn(error)
        else:
            self._loop.add_reader(self._inotify.fileno(), self._on_events, self._inotify)
        self._refresh_timer = self._loop.call_later(REFRESH_SECONDS, self._refresh_all)

    def add(self, log: RunLog) -> None:
        """Refresh the log now and at each change of its files."""
        try:
            self._logs[log] = self._watch(log)
        except OSError as error:
            self._warn(error)
            self._logs[log] = ()
            self._polled.add(log)
            self._poll_timer = self._poll_timer or self._loop.call_later(
                POLL_SECONDS, self._poll_logs
            )
        log.refresh()

    def remove(self, log: RunLog) -> None:
        """Refresh the log no more; harmless when it was not added."""
        self._polled.discard(log)
        self._unwatch(self._logs.pop(log, ()))

    def close(self) -> None:
        """Refresh no log any more; `remove` stays harmless."""
        self._refresh_timer.cancel()
        if self._poll_timer is not None:
            self._poll_timer.cancel()
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
        self._callbacks |= {growth: log.refresh_size, change: log.refresh}
        return growth, change

    def _unwatch(self, descriptors: tuple[int, ...]) -> None:
        """End watches; the kernel has done so already where the file was removed."""
        for descriptor in descriptors:
            self._callbacks.pop(descriptor, None)
            with suppress(OSError):
                self._require().rm_watch(descriptor)

    def _on_events(self, inotify: INotify) -> None:
        """Refresh the logs that have events, or all of them when the kernel dropped some."""
        changed = _descriptors_in(os.read(inotify.fileno(), EVENT_BYTES))
        if OVERFLOW in changed:
            changed = set(self._callbacks)
        # The kernel may still have events of a watch that has ended.
        for descriptor in changed & self._callbacks.keys():
            self._refresh(self._callbacks[descriptor])

    def _refresh(self, callback: Callable[[], None]) -> None:
        """Refresh one log; if that fails, the others go on, and the failure is logged once."""
        try:
            callback()
        except Exception as error:
            if repr(error) != self._failed:
                self._failed = repr(error)
                logger.warning("output not refreshed, tried again every second: %s", error)

    def _refresh_all(self) -> None:
        for log in self._logs:
            self._refresh(log.refresh)
        self._refresh_timer = self._loop.call_later(REFRESH_SECONDS, self._refresh_all)

    def _poll_logs(self) -> None:
        for log in self._polled:
            self._refresh(log.refresh)
        self._poll_timer = (
            self._loop.call_later(POLL_SECONDS, self._poll_logs) if self._polled else None
        )

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "inotify unavailable: %s; output polled every %d ms; see fs.inotify in sysctl(8)",
                error.strerror,
                POLL_SECONDS * 1000,
            )


def _descriptors_in(events: bytes) -> set[int]:
    """Return the watch descriptors of events.

    The names in them are not needed. inotify_simple's `parse_events` decodes them, which takes 15
    of a line's 350 microseconds from its writer to its viewer.
    """
    found, start = set(), 0
    while start < len(events):
        descriptor, _, _, name_bytes = EVENT.unpack_from(events, start)
        found.add(descriptor)
        start += EVENT.size + name_bytes
    return found
