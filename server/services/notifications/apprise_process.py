"""The process that sends one message by Apprise: reads what is asked from stdin, and ends.

With a text it sends it, without one it looks at the URL only. The exit code is 0, or 1 with the
reason on stdout.
"""

import json
import logging
import sys

import apprise
import requests

from server.services.notifications.redaction import without_url


class _Said(logging.Handler):
    """Keeps what Apprise warns of: it is the only place where it says why."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        self.texts.append(record.getMessage())


def main() -> int:
    """Do what is asked; return the exit code."""
    asked = json.load(sys.stdin)
    said = _Said()
    logging.getLogger("apprise").addHandler(said)
    # No redirect is followed: whom a target leads to, no admin has named.
    requests.Session.get_redirect_target = _nowhere  # type: ignore[assignment]
    services = apprise.Apprise()
    if not services.add(asked["url"]):
        return _failed("Apprise knows no service of this URL, or misses something in it.")
    if "text" not in asked or _sent(services, asked):
        return 0
    reasons = without_url("; ".join(said.texts), asked["url"])
    return _failed(f"Apprise could not send it{f': {reasons}' if reasons else '.'}")


def _sent(services: apprise.Apprise, asked: dict[str, str]) -> bool:
    """Send it as plain text: where it becomes HTML, as in mails, what a run wrote is none."""
    plain = apprise.NotifyFormat.TEXT
    return bool(services.notify(title=asked["title"], body=asked["text"], body_format=plain))


def _nowhere(_self: requests.Session, _response: requests.Response) -> None:
    return None


def _failed(reason: str) -> int:
    sys.stdout.write(reason)
    return 1


if __name__ == "__main__":
    sys.exit(main())
