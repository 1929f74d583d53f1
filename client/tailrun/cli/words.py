"""The words that speak to a server, with what each takes: for parsing, help, completion, manual."""

import argparse
from collections.abc import Callable

PATIENCE_SECONDS = 300.0
SHORT_PATIENCE_SECONDS = 10.0

WHICH_RUN = "a run's id; or a command's key, name or id: its newest run"
EPILOG = (
    "The server is the one at TAILRUN_URL, else the one of this host; TAILRUN_TOKEN is the token"
    " that it is asked with."
)


def _run(parser: argparse.ArgumentParser) -> None:
    # Its help tells the command's parameters, too, which the server knows.
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="its key, name or id")
    parser.add_argument(
        "-p",
        "--parameter",
        dest="parameters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter's value; NAME=@FILE: what a file holds (@-: stdin), NAME=@@…: a value"
        " that begins with @; NAME alone: that variable of the environment. `tailrun run COMMAND"
        " --help` lists the command's parameters",
    )
    parser.add_argument(
        "--detach", action="store_true", help="print the run's id, and do not follow it"
    )
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="with the same key a run is started once"
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this, and end")
    _following(parser)


def _tail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|COMMAND", help=WHICH_RUN)
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "-n", "--lines", type=_natural, metavar="N", help="begin at the last N lines"
    )
    start.add_argument(
        "--offset", type=_natural, default=0, metavar="BYTES", help="begin behind so many bytes"
    )
    parser.add_argument(
        "--no-follow", action="store_true", help="end where the output ends now, with the code 0"
    )
    _following(parser)


def _following(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-on-interrupt",
        action="store_true",
        help="stop the run at Ctrl-C or SIGTERM, and kill it at the second; else it is let go",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the run, once it has ended, and no output"
    )
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help=f"how long to try to reach a server that went away (default: {PATIENCE_SECONDS:g})",
    )


def _ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="in name or description")
    parser.add_argument("--group", help="only of this group")
    parser.add_argument("--names", action="store_true", help="print keys and names alone")
    _as_json(parser)


def _ps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-a", "--all", action="store_true", help="also those that have ended, newest first"
    )
    parser.add_argument(
        "-n", "--limit", type=_natural, default=50, metavar="N", help="at most N (default: 50)"
    )
    _as_json(parser)


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|COMMAND", help=WHICH_RUN)
    parser.add_argument("--signal", metavar="NAME", help="instead of SIGTERM")
    parser.add_argument(
        "--grace-seconds",
        type=_seconds,
        metavar="SECONDS",
        help="how long until SIGKILL, if not as the server has it",
    )
    parser.add_argument("--kill", action="store_true", help="SIGKILL at once")
    parser.add_argument("--wait", action="store_true", help="until it has ended")
    _as_json(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="COMMAND|RUN", help="a command's key, name or id; a run's id"
    )
    _as_json(parser)


def _as_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, a line each")


Add = Callable[[argparse.ArgumentParser], None]
WORDS: dict[str, tuple[str, Add]] = {
    "run": ("start a command, follow its output, end with its exit code", _run),
    "tail": ("follow the output of a run, end with its exit code", _tail),
    "ls": ("list commands", _ls),
    "ps": ("list runs that go on", _ps),
    "stop": ("stop a run", _stop),
    "show": ("show a command or a run", _show),
}
"""By its first word on the command line: what it does, and what adds its arguments."""


def parser_of(word: str) -> argparse.ArgumentParser:
    """Return the parser of what follows a word."""
    purpose, add = WORDS[word]
    parser = argparse.ArgumentParser(
        prog=f"tailrun {word}",
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EPILOG,
        allow_abbrev=False,
        add_help=word != "run",
    )
    add(parser)
    return parser


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return seconds
