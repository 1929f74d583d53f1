"""What is typed behind an option, read; argparse.ArgumentTypeError says what is wrong with it."""

import argparse
import re
from datetime import datetime

MAX_TOKEN_DAYS = 366

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Of a duration, in seconds."""


def natural(text: str) -> int:
    """Return a whole number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)


def days(text: str) -> int:
    """Return for how many days a token is valid."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TOKEN_DAYS))
    if not is_number or not 1 <= int(text) <= MAX_TOKEN_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {MAX_TOKEN_DAYS}")
    return int(text)


def seconds(text: str) -> float:
    """Return a number of seconds, which may be 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return number


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if (number := natural(text)) == 0:
        raise argparse.ArgumentTypeError("it is to be 1 at least")
    return number


def moment(text: str) -> datetime:
    """Return a moment; what names no offset is of this host's time zone."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text} is no time such as 2026-11-26T03:00 or 2026-11-26T03:00+01:00"
        ) from None


def duration(text: str) -> float:
    """Return how many seconds a time such as 8h takes."""
    found = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no time such as 90s, 30m, 8h or 2d")
    return float(int(found[1]) * UNITS[found[2]])
