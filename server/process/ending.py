"""Stops a role: on a signal, or because it cannot go on."""

import asyncio
import logging

from server.process.signals import ENDING_SIGNALS, IGNORED_SIGNALS

logger = logging.getLogger(__name__)


class Ending:
    """Handles the signals that end a role: one that is starting is cancelled, else `wait` returns.

    It is made in the task that starts the role.
    """

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._starting = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._request)
        for number in IGNORED_SIGNALS:
            ignored = "%s ignored: settings are read only at the start"
            loop.add_signal_handler(number, logger.info, ignored, number.name)

    @property
    def requested(self) -> bool:
        """Whether a signal asked for the end."""
        return self._requested.is_set()

    async def wait(self, failed: asyncio.Event) -> None:
        """Wait, having started, for a signal that ends the role, or for `failed`."""
        self._starting = None
        events = [asyncio.create_task(event.wait()) for event in (self._requested, failed)]
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()

    def _request(self) -> None:
        self._requested.set()
        if self._starting is not None:
            # Only once: a second signal must not interrupt the cleaning up after the first.
            self._starting.cancel()
            self._starting = None
