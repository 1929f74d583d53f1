"""Tokens that nobody misses: they can be stolen all the same."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from server.access import EVERY_GROUP, Role, Token
from server.services.doctor.findings import Finding, Level

TOKENS = "tokens"
UNUSED = timedelta(days=30)
GONE = timedelta(days=60)


def tokens(
    found: Iterable[Token], seen: Mapping[str, datetime], now: datetime
) -> Iterator[Finding]:
    """Look at the tokens that are valid; `seen` is when owners signed in at a provider last."""
    valid = [one for one in found if one.revoked_at is None and one.expires_at > now]
    warnings = [
        (one, why) for one in valid if (why := _why(one, seen.get(one.owner), now)) is not None
    ]
    for one, why in warnings:
        text = f"{one.name!r} of {one.owner} {why}. Revoke it, if nobody needs it: {one.id}"
        yield Finding(TOKENS, Level.WARNING, text)
    if not warnings:
        yield Finding(
            TOKENS, Level.OK, f"{len(valid)} are valid, none long unused, none for everything"
        )


def _why(token: Token, seen: datetime | None, now: datetime) -> str | None:
    if seen is not None and now - seen > GONE:
        return f"goes on, though its owner has not signed in since {seen:%F}"
    used = token.last_used_at or token.created_at
    if now - used > UNUSED:
        since = "never" if token.last_used_at is None else f"not since {used:%F}"
        return f"was used {since}, and is {(now - token.created_at).days} days old"
    if token.role is Role.ADMIN and token.group == EVERY_GROUP:
        return "may do everything"
    return None
