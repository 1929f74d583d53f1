"""Parsers of settings: each returns a text's value, or says what it takes instead."""

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from server.access import EVERY_GROUP, Role
from server.definition import KEY, LABEL

Parser = Callable[[str], Any]
"""Raises ValueError with what the setting takes, to be read behind "it takes"."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_DIGITS = 30  # int() raises beyond 4,300, with a message of its own
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
"""Plain ASCII numbers: float() takes nan, inf, 1_000 and the digits of every alphabet as well."""


def whole(minimum: int, maximum: int) -> Parser:
    """Take a whole number within bounds."""

    def parse(text: str) -> int:
        plain = _WHOLE.fullmatch(text) and len(text) <= MAX_DIGITS
        if not plain or not minimum <= int(text) <= maximum:
            raise ValueError(f"a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def number(minimum: float, maximum: float, *, of: str) -> Parser:
    """Take a number of something within bounds, such as of seconds."""

    def parse(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not minimum <= float(text) <= maximum:
            raise ValueError(f"a number of {of} from {minimum:.10g} to {maximum:.10g}")
        return float(text)

    return parse


def file_mode(text: str) -> int:
    """Take the permissions of a file in octal, as umask(1) does."""
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError("three octal digits, such as 027")
    return int(text, 8)


def none_if_zero(parse: Parser) -> Parser:
    """Take what another parser takes; 0 is read as None, which is no limit."""

    def parse_bound(text: str) -> Any:
        return parse(text) or None

    return parse_bound


def boolean(text: str) -> bool:
    """Take true or false."""
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError("true or false")
    return text.lower() in {"true", "1"}


def one_of(*choices: str) -> Parser:
    """Take one of several words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def absolute_path(text: str) -> Path:
    """Take a path; `~` is the home directory."""
    if not text or not _is_plain(text):
        raise ValueError("a path without control characters")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:  # there is no such user
        raise ValueError("a path; the home directory that ~ stands for is not known") from None


def base_path(text: str) -> str:
    """Take the path that a proxy puts before ours: ours begin with / and follow it as they are."""
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", text):
        raise ValueError("a path such as /tools/tailrun, without a / at its end, or nothing")
    return text


def origin(text: str) -> str:
    """Take the scheme and the host name of an address, with or without a port."""
    found = _url(text)
    if found is None or found.path not in {"", "/"}:
        raise ValueError("an address such as https://runs.example.org, without a path")
    return f"{found.scheme}://{found.netloc}"


def issuer(text: str) -> str:
    """Take the URL of a provider of OpenID Connect, to the letter: tokens repeat it.

    What it says is believed, so it is asked over TLS, unless it is on this machine.
    """
    found = _url(text)
    if found is None or (found.scheme == "http" and found.hostname not in LOOPBACK_HOSTS):
        raise ValueError("a URL such as https://sso.example.org/realms/us, without ? and #")
    return text


def _url(text: str) -> SplitResult | None:
    """Return the parts of a URL that has a host and neither user, query nor fragment."""
    if not re.fullmatch(r"https?://[!-~]+", text) or set("?#@\\") & set(text):
        return None
    try:
        found = urlsplit(text)
        is_whole = bool(found.hostname) and found.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return None
    return found if is_whole else None


def engine_urls(text: str) -> tuple[str, ...]:
    """Take the URLs of an engine, with commas between them; who we are there stands elsewhere."""
    urls = names(text)
    for url in urls:
        plain = re.sub(r"^(nats|tls)://", "http://", url)
        found = _url(plain) if plain != url else None
        if found is None or found.path not in {"", "/"}:
            raise ValueError(
                "URLs such as tls://nats.example.org:4222 with commas between them, without a user"
                " (TAILRUN_NATS_SEED_FILE says who this host is)"
            )
    return tuple(url.rstrip("/") for url in urls)


def names(text: str) -> tuple[str, ...]:
    """Take names with commas between them."""
    if not _is_plain(text):
        raise ValueError("names with commas between them, without control characters")
    return tuple(name.strip() for name in text.split(",") if name.strip())


def keys(text: str) -> tuple[str, ...]:
    """Take names of a-z, 0-9 and - with commas between them."""
    found = names(text)
    if not all(KEY.fullmatch(name) for name in found):
        raise ValueError("names of a-z, 0-9 and -, of up to 64 characters, commas between them")
    return found


def labels(text: str) -> tuple[str, ...]:
    """Take labels with commas between them."""
    found = names(text)
    if not all(LABEL.fullmatch(label) for label in found):
        raise ValueError(
            "key=value, each of up to 64 letters, digits, _, . and -, with commas between them"
        )
    return found


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Take IP addresses and networks with commas between them."""
    try:
        return tuple(ip_network(name) for name in names(text))
    except ValueError:
        raise ValueError(
            "IP addresses and networks with commas between them, such as 192.0.2.1,10.0.0.0/8"
        ) from None


class NamedGrant(NamedTuple):
    """A role in a group for whoever a name stands for."""

    name: str
    role: Role
    group: str


def named_grants(text: str) -> tuple[NamedGrant, ...]:
    """Take `name=role` or `name=role@group` with commas between them; without a group: in all."""
    roles = "|".join(Role)
    found = [
        re.fullmatch(rf"(?P<name>[^=]+)=(?P<role>{roles})(?:@(?P<group>\S+))?", one)
        for one in names(text)
    ]
    if not all(found):
        raise ValueError(
            f"name=role or name=role@group with commas between them; roles are {', '.join(Role)}"
        )
    return tuple(
        NamedGrant(one["name"].strip(), Role(one["role"]), one["group"] or EVERY_GROUP)
        for one in found
        if one is not None
    )


def nonempty(text: str) -> str:
    """Take a text that is not empty."""
    if not text or not _is_plain(text):
        raise ValueError("a text that is not empty, without control characters")
    return text


def visible(text: str) -> str:
    """Take a secret that a header can carry, and that nobody guesses."""
    if not re.fullmatch(r"[!-~]{16,512}", text):
        raise ValueError("16 to 512 visible ASCII characters, without blanks")
    return text


def _is_plain(text: str) -> bool:
    """Return whether a text is of characters alone: it will stand in messages, files and URLs."""
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)
