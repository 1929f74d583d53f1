"""`tailrun token` and `tailrun sign-in`, asked over the socket in the state directory.

So the server is reached whatever stands before its port (TLS, a proxy, TAILRUN_AUTH=required), and
knows by the kernel's word who asks: its own user, or root.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tailrun.cli.notes import Notes
from tailrun.cli.table import table
from tailrun.client import Client
from tailrun.errors import AwayError, ClientError


def code_of(error: ClientError) -> int:
    """Return the exit code that stands for an error."""
    return os.EX_UNAVAILABLE if isinstance(error, AwayError) else 1


async def create(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Make a token; its secret alone goes to stdout, for `$(tailrun token create …)`."""
    expires_at = datetime.now(UTC) + timedelta(days=given.days)
    said = {"name": given.name, "role": given.role, "group": given.group}
    made = await client.ask("POST", "tokens/", body=said | {"expires_at": expires_at.isoformat()})
    notes.say(
        f"Token {made['id']} acts as {made['owner']}, with the role {made['role']} in the group"
        f" {made['group']}, until {made['expires_at']}. It is shown this once:"
    )
    sys.stdout.write(f"{made['token']}\n")
    return 0


async def list_all(client: Client, _given: argparse.Namespace, _notes: Notes) -> int:
    """List tokens."""
    now = datetime.now(UTC)
    rows = [_row(one, now) async for one in client.listed("tokens/")]
    heads = ["ID", "NAME", "OWNER", "ROLE", "GROUP", "EXPIRES (UTC)", "LAST USED", "STATE"]
    sys.stdout.write(table(heads, rows))
    return 0


def _row(one: Mapping[str, Any], now: datetime) -> list[str]:
    used = _minute(one["last_used_at"]) if one["last_used_at"] else "never"
    named = [one[name] for name in ("id", "name", "owner", "role", "group")]
    return [*named, _minute(one["expires_at"]), used, _state(one, now)]


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _state(one: Mapping[str, Any], now: datetime) -> str:
    if one["revoked_at"]:
        return "revoked"
    return "expired" if datetime.fromisoformat(one["expires_at"]) <= now else "valid"


async def revoke(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Revoke a token."""
    await client.ask("DELETE", f"tokens/{quote(given.id, safe='')}")
    notes.say(f"Token {given.id} is revoked.")
    return 0


async def sign_in(client: Client, given: argparse.Namespace, notes: Notes) -> int:
    """Print a link by which a browser signs in as the user who says this."""
    link = await client.ask("POST", "session/link")
    url = (given.url or link["url"]).rstrip("/")
    notes.say(f"Open this in your browser; it signs you in as {link['principal']}, once:")
    sys.stdout.write(f"{url}/#sign-in={link['ticket']}\n")
    return 0


TOKEN_ACTS = {"create": create, "list": list_all, "revoke": revoke}
"""By the word after `tailrun token`."""
