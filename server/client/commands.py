"""What the command line asks a server that runs: `tailrun token` and `tailrun sign-in`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from server.access import DEFAULT_GROUP, Role
from server.client.server import Server
from server.client.table import table
from server.errors import ClientError, ServerAwayError, TailrunError
from server.settings.reading import read_settings

DAYS = 90
MAX_DAYS = 366
PAGE = 500

STATE_DIR = "of the server that is meant (default: TAILRUN_STATE_DIR, or as `tailrun --help` says)"


def token(arguments: Sequence[str] | None = None) -> int:
    """Make, list or revoke tokens; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tailrun token",
        description="Makes, lists and revokes tokens, of the server that runs here.",
        allow_abbrev=False,
    )
    asked = parser.add_subparsers(dest="asked", required=True, metavar="create|list|revoke")
    create = _parser(
        asked,
        "create",
        "make a token; its secret, which is shown this once, goes to stdout",
        _create,
    )
    create.add_argument("name", metavar="NAME", help="what it is for")
    create.add_argument(
        "--role",
        required=True,
        choices=[role.value for role in Role],
        help=f"what it may do, at most: {', '.join(Role)}",
        metavar="ROLE",
    )
    create.add_argument(
        "--group", default=DEFAULT_GROUP, help="in which group; * for every one (default: default)"
    )
    create.add_argument(
        "--days", type=_days, default=DAYS, help=f"its life (default: {DAYS}, at most {MAX_DAYS})"
    )
    _parser(asked, "list", "list tokens, without their secrets", _list)
    revoke = _parser(asked, "revoke", "revoke a token, and end the streams it opened", _revoke)
    revoke.add_argument("id", metavar="ID", help="as `tailrun token list` shows it")
    return _run(parser, arguments)


def sign_in(arguments: Sequence[str] | None = None) -> int:
    """Print a link by which a browser signs in as the user who says this; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tailrun sign-in",
        description="Prints a link by which a browser signs in as you: it is good once, for 60 s.",
        allow_abbrev=False,
    )
    parser.set_defaults(act=_sign_in)
    parser.add_argument("--url", help="where your browser reaches the server, if not as it says")
    parser.add_argument("--state-dir", metavar="DIRECTORY", help=STATE_DIR)
    return _run(parser, arguments)


def _parser(
    asked: "argparse._SubParsersAction[argparse.ArgumentParser]",
    word: str,
    purpose: str,
    act: Callable[[Server, argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = asked.add_parser(word, help=purpose, description=purpose, allow_abbrev=False)
    parser.set_defaults(act=act)
    parser.add_argument("--state-dir", metavar="DIRECTORY", help=STATE_DIR)
    return parser


def _run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    given = parser.parse_args(arguments)
    try:
        options = [] if given.state_dir is None else ["--state-dir", given.state_dir]
        server = Server(read_settings(options, os.environ).state_dir)
        given.act(server, given)
        sys.stdout.flush()
    except ServerAwayError as error:
        return _failed(error, os.EX_UNAVAILABLE)
    except ClientError as error:
        return _failed(error, 1)
    except TailrunError as error:
        return _failed(error, os.EX_CONFIG)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read the list has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _failed(error: TailrunError, code: int) -> int:
    sys.stderr.write(f"tailrun: {error}\n")
    return code


def _create(server: Server, given: argparse.Namespace) -> None:
    made = server.ask(
        "POST",
        "tokens/",
        {
            "name": given.name,
            "role": given.role,
            "group": given.group,
            "expires_at": (datetime.now(UTC) + timedelta(days=given.days)).isoformat(),
        },
    )
    # The secret alone goes to stdout, for `$(tailrun token create …)`; nothing else has it.
    sys.stderr.write(
        f"Token {made['id']} acts as {made['owner']}, with the role {made['role']} in the group"
        f" {made['group']}, until {made['expires_at']}. It is shown this once:\n"
    )
    sys.stderr.flush()
    sys.stdout.write(f"{made['token']}\n")


def _list(server: Server, _given: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    rows = [
        [
            one["id"],
            one["name"],
            one["owner"],
            one["role"],
            one["group"],
            _minute(one["expires_at"]),
            _minute(one["last_used_at"]) if one["last_used_at"] else "never",
            _state(one, now),
        ]
        for one in _tokens(server)
    ]
    heads = ["ID", "NAME", "OWNER", "ROLE", "GROUP", "EXPIRES (UTC)", "LAST USED", "STATE"]
    sys.stdout.write(table(heads, rows))


def _tokens(server: Server) -> Iterator[dict[str, Any]]:
    path = f"tokens/?limit={PAGE}"
    cursor = ""
    while True:
        page = server.ask("GET", path + cursor)
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = f"&cursor={quote(page['next'])}"


def _minute(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _state(one: dict[str, Any], now: datetime) -> str:
    if one["revoked_at"]:
        return "revoked"
    return "expired" if datetime.fromisoformat(one["expires_at"]) <= now else "valid"


def _revoke(server: Server, given: argparse.Namespace) -> None:
    server.ask("DELETE", f"tokens/{quote(given.id, safe='')}")
    sys.stderr.write(f"Token {given.id} is revoked.\n")


def _sign_in(server: Server, given: argparse.Namespace) -> None:
    link = server.ask("POST", "session/link")
    url = (given.url or link["url"]).rstrip("/")
    sys.stderr.write(f"Open this in your browser; it signs you in as {link['principal']}, once:\n")
    sys.stderr.flush()
    sys.stdout.write(f"{url}/#sign-in={link['ticket']}\n")


def _days(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DAYS))
    if not is_number or not 1 <= int(text) <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {MAX_DAYS}")
    return int(text)
