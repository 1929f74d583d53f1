"""Whatever Apprise reaches, as targets: mail, chats, and a hundred more.

Each message is sent by a process of its own: Apprise's services wait in threads that nothing can
end, and take a second to import and 50 MB to hold. So one that hangs is killed, and a server that
sends nothing pays nothing.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from importlib.util import find_spec
from pathlib import Path

import orjson

from server.notifications import Target
from server.services.notifications.messages import Message
from server.services.notifications.senders import SEND_SECONDS, NotDeliveredError

MODULE = "server.services.notifications.apprise_process"
PASSED = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
MOST_SAID_BYTES = 500
INSTALL = "Apprise is not installed: `pip install 'tailrun[notify]'`, and start the server again."


class AppriseSender:
    """Sends messages by Apprise."""

    def __init__(self, *, timeout_seconds: float = 2 * SEND_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds

    async def check(self, url: str) -> None:
        """Look at a URL, without sending anything.

        Raises:
            ValueError: Apprise is not installed, or knows no service of this URL.
        """
        if find_spec("apprise") is None:
            raise ValueError(INSTALL)
        said = await self._run({"url": url})
        if said is not None:
            raise ValueError(said)

    async def send(self, target: Target, message: Message) -> None:
        """Send a message, once.

        Raises:
            NotDeliveredError: Apprise says so, or it took too long.
        """
        if find_spec("apprise") is None:
            raise NotDeliveredError(INSTALL)
        said = await self._run({"url": target.url, "title": message.title, "text": message.text})
        if said is not None:
            raise NotDeliveredError(said)

    async def close(self) -> None:
        """Let go of nothing: each process ends by itself."""

    async def _run(self, asked: dict[str, str]) -> str | None:
        """Have a process do what is asked; return what it says when it fails."""
        # Nothing is imported from the directory that the server happens to be in.
        program = (sys.executable, "-P", "-m", MODULE)
        try:
            process = await asyncio.create_subprocess_exec(
                *program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_passed()
            )
        except OSError as error:
            return f"Apprise cannot be started: {error.strerror or error}."
        try:
            async with asyncio.timeout(self._timeout_seconds):
                said, _ = await process.communicate(orjson.dumps(asked))
        except TimeoutError:
            return f"Apprise did not end within {self._timeout_seconds:g} s."
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return None
        text = " ".join(said[:MOST_SAID_BYTES].decode("utf-8", "replace").split())
        return text or f"Apprise ended with the exit code {process.returncode}."


def _passed() -> dict[str, str]:
    """Return what such a process gets of the server's environment: none of its secrets."""
    names = [*PASSED, *PROXIES, *map(str.upper, PROXIES)]
    passed = {name: os.environ[name] for name in names if name in os.environ}
    return passed | {"PYTHONPATH": str(Path(__file__).parents[3])}
