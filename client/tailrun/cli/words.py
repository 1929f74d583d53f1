"""The words that speak to a server, with what each takes: for parsing, help, completion, manual."""

import argparse
from collections.abc import Callable
from typing import Any

from tailrun.cli import typed

PATIENCE_SECONDS = 300.0
SHORT_PATIENCE_SECONDS = 10.0

SHELLS = ("bash", "zsh")
ROLES = ("viewer", "operator", "editor", "admin")
TOKEN_DAYS = 90

WHICH_COMMAND = "its key, name or id"
WHICH_RUN = "a run's id; or a command's key, name or id: its newest run"
EPILOG = (
    "The server is the one at TAILRUN_URL, else the one of this host; TAILRUN_TOKEN is the token"
    " that it is asked with."
)

NEAR_EPILOG = (
    "The server is the one of this host whose state directory is meant; it is asked as you, its own"
    " user or root."
)

CODE = (
    " The exit code is the run's: 128 + n if signal n ended it, 124 if it ran too long, 125 if it"
    " is lost, 126 if it could not be started; 130 if Ctrl-C let it go. Where a further attempt"
    " follows, stderr says so: the code is this run's, with --retries the last one's."
)
CODES = {"run": CODE, "tail": CODE}


def _run(parser: argparse.ArgumentParser) -> None:
    # Its help tells the command's parameters, too, which the server knows.
    parser.add_argument("command", metavar="COMMAND", nargs="?", help=WHICH_COMMAND)
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
        "-n", "--lines", type=typed.natural, metavar="N", help="begin at the last N lines"
    )
    start.add_argument(
        "--offset",
        type=typed.natural,
        default=0,
        metavar="BYTES",
        help="begin behind so many bytes",
    )
    parser.add_argument(
        "--no-follow", action="store_true", help="end where the output ends now, with the code 0"
    )
    _following(parser)


def _following(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retries",
        action="store_true",
        help="follow the attempts that come after a run that failed, too, where its command has"
        " retries, and end with the last one's code",
    )
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
        type=typed.seconds,
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
        "-n", "--limit", type=typed.natural, default=50, metavar="N", help="at most N (default: 50)"
    )
    _as_json(parser)


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|COMMAND", help=WHICH_RUN)
    parser.add_argument("--signal", metavar="NAME", help="instead of SIGTERM")
    parser.add_argument(
        "--grace-seconds",
        type=typed.seconds,
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


def _schedules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs="?",
        help="a command's key, name or id: its schedules, with what came of their due times",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "-n",
        "--limit",
        type=typed.positive,
        default=5,
        metavar="N",
        help="of a command's: the last N due times of each (default: 5)",
    )
    which.add_argument(
        "--at",
        type=typed.moment,
        metavar="TIME",
        help="of a command's: why it ran, or did not, at this time, such as 2026-11-26T03:00; of"
        " this host's time zone unless it names an offset",
    )
    _as_json(parser)


def _pause(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", metavar="COMMAND", help=WHICH_COMMAND)
    parser.add_argument("--note", metavar="TEXT", help="why, for whoever looks")
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--until",
        type=typed.moment,
        metavar="TIME",
        help="when it ends by itself, such as 2026-11-26T03:00; of this host's time zone unless it"
        " names an offset",
    )
    end.add_argument(
        "--for",
        dest="duration",
        type=typed.duration,
        metavar="TIME",
        help="how long, such as 30m, 8h, 2d or 90s",
    )


def _resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", metavar="COMMAND", help=WHICH_COMMAND)


def _hooks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", metavar="COMMAND", help=WHICH_COMMAND)
    act = parser.add_mutually_exclusive_group()
    act.add_argument(
        "--new-secret",
        metavar="NAME",
        help="give a hook, by its name or id, a new secret, and print it, this once; the one before"
        " is refused from then on",
    )
    act.add_argument("--disable", metavar="NAME", help="have what is sent to a hook start nothing")
    act.add_argument("--enable", metavar="NAME", help="have it start runs again")
    _as_json(parser)


def _workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="also those that were removed")
    _as_json(parser)
    asked = parser.add_subparsers(dest="asked", metavar="drain|resume|remove|token")
    for word, purpose in {
        "drain": "have a worker get no more runs; those that it has go on",
        "resume": "have it get runs again",
        "remove": "refuse its key from now on; of its runs becomes what their commands say",
    }.items():
        one = asked.add_parser(word, help=purpose, description=purpose, allow_abbrev=False)
        one.add_argument("worker", metavar="NAME", help="a worker's name or id")
    _enrolment(asked)


def _enrolment(asked: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    purpose = "print the command that makes a host a worker, once, within the hour"
    token = asked.add_parser("token", help=purpose, description=purpose, allow_abbrev=False)
    token.add_argument(
        "--pool",
        dest="pools",
        metavar="NAME",
        action="append",
        required=True,
        help="a pool that it is of; again for another",
    )
    token.add_argument(
        "--label",
        dest="labels",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="what it has, and commands may require; again for another",
    )
    token.add_argument(
        "--places", type=typed.positive, metavar="N", help="how many runs it has at once"
    )
    token.add_argument("--url", help="where it reaches the server (default: TAILRUN_URL)")
    _as_json(token)


def _abandon(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN|COMMAND", help=WHICH_RUN)


def _as_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, a line each")


def _apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a file of commands, or a directory of such files"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and end")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="delete commands with a key, in the groups of these, that stand in no file, with all"
        " their runs",
    )
    parser.add_argument("--json", action="store_true", help="print what is done as JSON")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", help="only of this group")


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="which shell is to complete words")


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the backup; then options as of serve")


def _keeper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIRECTORY", help="where it and servers meet")
    parser.add_argument("configuration", metavar="CONFIGURATION", nargs="?", help="of whom it runs")


def _token(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_subparsers(dest="asked", required=True, metavar="create|list|revoke")
    create = _part(
        asked, "create", "make a token; its secret, which is shown this once, goes to stdout"
    )
    create.add_argument("name", metavar="NAME", help="what it is for")
    create.add_argument(
        "--role",
        required=True,
        choices=ROLES,
        help=f"what it may do, at most: {', '.join(ROLES)}",
        metavar="ROLE",
    )
    create.add_argument(
        "--group", default="default", help="in which group; * for every one (default: default)"
    )
    create.add_argument(
        "--days",
        type=typed.days,
        default=TOKEN_DAYS,
        help=f"its life (default: {TOKEN_DAYS}, at most {typed.MAX_TOKEN_DAYS})",
    )
    _part(asked, "list", "list tokens, without their secrets")
    revoke = _part(asked, "revoke", "revoke a token, and end the streams it opened")
    revoke.add_argument("id", metavar="ID", help="as `tailrun token list` shows it")


def _part(
    asked: "argparse._SubParsersAction[argparse.ArgumentParser]", word: str, purpose: str
) -> argparse.ArgumentParser:
    parser = asked.add_parser(word, help=purpose, description=purpose, allow_abbrev=False)
    _near(parser)
    return parser


def _sign_in(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="where your browser reaches the server, if not as it says")
    _near(parser)


def _near(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="DIRECTORY",
        help="that of the server (default: TAILRUN_STATE_DIR, or as `tailrun --help` says)",
    )


def _nats(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", metavar="FILE", help="where to write it; by default stdout")
    parser.add_argument(
        "--reload", metavar="PID_FILE", help="of the nats-server that is to read it anew"
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on, and write it whenever it changes"
    )


def _nothing(_parser: argparse.ArgumentParser) -> None:
    pass


Add = Callable[[argparse.ArgumentParser], None]
WORDS: dict[str, tuple[str, Add]] = {
    "run": ("start a command, follow its output, end with its exit code", _run),
    "tail": ("follow the output of a run, end with its exit code", _tail),
    "ls": ("list commands", _ls),
    "ps": ("list runs that go on", _ps),
    "stop": ("stop a run", _stop),
    "show": ("show a command or a run", _show),
    "schedules": ("list schedules, or tell why they ran a command, or did not", _schedules),
    "pause": ("have schedules and hooks start a command no more, for a while", _pause),
    "resume": ("end a pause", _resume),
    "hooks": ("list what other services start a command by", _hooks),
    "workers": ("list workers, and what waits for them; drain or remove one, or add one", _workers),
    "abandon": ("give up a run whose host is away: it ends as lost", _abandon),
    "apply": ("make a server's commands what files say, all or nothing", _apply),
    "export": ("print commands as a file that apply reads", _export),
    "completion": ("print what has a shell complete these words", _completion),
    "token": ("make, list and revoke tokens of the server of this host", _token),
    "sign-in": ("print a link by which a browser signs in as you, once, within 60 s", _sign_in),
}
"""By its first word on the command line: what it does, and what adds its arguments."""

NEAR = frozenset({"token", "sign-in"})
"""Those that ask the server over the socket in its state directory, and no other."""

SERVERS_WORDS: dict[str, tuple[str, Add]] = {
    "serve": ("serve; its options are the settings, which `tailrun --help` lists", _nothing),
    "backup": ("back the database up into a file", _backup),
    "restore": ("restore a backup into an empty database", _backup),
    "doctor": ("look at how safe an installation is", _nothing),
    "worker": (
        "run what servers have stored for this host; `worker enroll URL --token T` lets it in",
        _nothing,
    ),
    "nats-config": ("write whom NATS is to let in: servers, and workers with their rights", _nats),
    "keeper": ("be a keeper that is a service of its own", _keeper),
}
"""The others, which the server reads itself; here for completion and manual alone."""


def parser_of(word: str) -> argparse.ArgumentParser:
    """Return the parser of what follows a word."""
    purpose, add = WORDS[word]
    epilog = NEAR_EPILOG if word in NEAR else EPILOG
    parser = argparse.ArgumentParser(prog=f"tailrun {word}", epilog=epilog, **_how(word, purpose))
    add(parser)
    return parser


def whole() -> argparse.ArgumentParser:
    """Return a parser of all words, for completion and the manual."""
    parser = argparse.ArgumentParser(
        prog="tailrun",
        description="Stores shell commands, runs them, and lets anyone watch a run live.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print the version, and end")
    words = parser.add_subparsers(dest="word", metavar="WORD", title="words")
    for word, (purpose, add) in (WORDS | SERVERS_WORDS).items():
        add(words.add_parser(word, help=purpose, **_how(word, purpose)))
    return parser


def _how(word: str, purpose: str) -> dict[str, Any]:
    return {
        "description": f"{purpose[0].upper()}{purpose[1:]}.{CODES.get(word, '')}",
        "allow_abbrev": False,
        "add_help": word != "run",
    }
