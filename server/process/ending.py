"""How a server ends: told by a signal, or because it cannot go on."""

import asyncio
import logging
import signal

from server.process.signals import ENDING_SIGNALS, IGNORED_SIGNALS

logger = logging.getLogger(__name__)


class Ending:
    """Hears the signals that end the server: a start is cancelled, a server is woken."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._starting = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self._tell)
        for number in IGNORED_SIGNALS:
            loop.add_signal_handler(number, _say_ignored, number)

    @property
    def told(self) -> bool:
        """Whether it was told to end."""
        return self._told.is_set()

    async def wait(self, failed: asyncio.Event) -> None:
        """Wait, having started, until the server is told to end, or cannot go on."""
        self._starting = None
        events = [asyncio.create_task(event.wait()) for event in (self._told, failed)]
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        for event in events:
            event.cancel()

    def _tell(self) -> None:
        self._told.set()
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None


def _say_ignored(number: signal.Signals) -> None:
    logger.info("%s is ignored: settings are read at the start alone", number.name)
