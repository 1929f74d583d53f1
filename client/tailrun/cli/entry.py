"""The words of the command line that speak to a server."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from tailrun.cli import following, hooks, lists, schedules, tokens, workers
from tailrun.cli.exits import SIGNALLED, code_of_error
from tailrun.cli.follower import leave_stdout
from tailrun.cli.notes import Notes
from tailrun.cli.words import SHORT_PATIENCE_SECONDS, parser_of
from tailrun.client import Client
from tailrun.errors import ClientError
from tailrun.place import state_directory

Act = Callable[[Client, argparse.Namespace, Notes], Awaitable[int]]


def run(arguments: Sequence[str]) -> int:
    """Start a command and follow it; return the exit code."""
    given = parser_of("run").parse_args(arguments)
    if given.help and given.command is None:
        parser_of("run").print_help()
        return 0
    if given.command is None:
        parser_of("run").error("name a COMMAND: `tailrun ls` lists them")
    return _say(following.explain if given.help else following.start, given)


def tail(arguments: Sequence[str]) -> int:
    """Follow a run; return the exit code."""
    return _say(following.tail, parser_of("tail").parse_args(arguments))


def ls(arguments: Sequence[str]) -> int:
    """List commands; return the exit code."""
    return _say(lists.commands, parser_of("ls").parse_args(arguments))


def ps(arguments: Sequence[str]) -> int:
    """List runs; return the exit code."""
    return _say(lists.runs, parser_of("ps").parse_args(arguments))


def stop(arguments: Sequence[str]) -> int:
    """Stop a run; return the exit code."""
    return _say(lists.stop, parser_of("stop").parse_args(arguments))


def show(arguments: Sequence[str]) -> int:
    """Show a command or a run; return the exit code."""
    return _say(lists.show, parser_of("show").parse_args(arguments))


def list_schedules(arguments: Sequence[str]) -> int:
    """List schedules, or tell what came of a command's; return the exit code."""
    return _say(schedules.schedules, parser_of("schedules").parse_args(arguments))


def pause(arguments: Sequence[str]) -> int:
    """Pause a command; return the exit code."""
    return _say(schedules.pause, parser_of("pause").parse_args(arguments))


def resume(arguments: Sequence[str]) -> int:
    """Resume a command; return the exit code."""
    return _say(schedules.resume, parser_of("resume").parse_args(arguments))


def list_hooks(arguments: Sequence[str]) -> int:
    """List a command's hooks, or change one; return the exit code."""
    return _say(hooks.hooks, parser_of("hooks").parse_args(arguments))


def list_workers(arguments: Sequence[str]) -> int:
    """List workers, change one, or make what adds one; return the exit code."""
    given = parser_of("workers").parse_args(arguments)
    return _say(workers.WORKER_ACTS[given.asked], given)


def abandon(arguments: Sequence[str]) -> int:
    """Give up a run whose host is away; return the exit code."""
    return _say(workers.abandon, parser_of("abandon").parse_args(arguments))


def apply(arguments: Sequence[str]) -> int:
    """Make commands what files say; return the exit code."""
    from tailrun.cli import applying  # noqa: PLC0415  it alone needs YAML

    return _say(applying.apply, parser_of("apply").parse_args(arguments))


def export(arguments: Sequence[str]) -> int:
    """Print commands as a file; return the exit code."""
    from tailrun.cli import applying  # noqa: PLC0415  it alone needs YAML

    return _say(applying.export, parser_of("export").parse_args(arguments))


def token(arguments: Sequence[str]) -> int:
    """Make, list or revoke tokens; return the exit code."""
    given = parser_of("token").parse_args(arguments)
    return _say(tokens.TOKEN_ACTS[given.asked], given, tokens.code_of)


def sign_in(arguments: Sequence[str]) -> int:
    """Print a link by which a browser signs in; return the exit code."""
    return _say(tokens.sign_in, parser_of("sign-in").parse_args(arguments), tokens.code_of)


def _say(
    act: Act, given: argparse.Namespace, code_of: Callable[[ClientError], int] = code_of_error
) -> int:
    """Do what was said; what goes wrong is told in a line, and by the exit code."""
    notes = Notes()
    try:
        code = asyncio.run(_done(act, given, notes))
        sys.stdout.flush()
    except ClientError as error:
        notes.error(error)
        return code_of(error)
    except BrokenPipeError:  # whoever reads it has seen enough
        leave_stdout()
        return SIGNALLED + signal.SIGPIPE
    except OSError as error:
        notes.say(f"stdout: {error.strerror}.")
        leave_stdout()
        return os.EX_IOERR
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT
    return code


async def _done(act: Act, given: argparse.Namespace, notes: Notes) -> int:
    async with _client(given, notes) as client:
        return await act(client, given, notes)


def _client(given: argparse.Namespace, notes: Notes) -> Client:
    if hasattr(given, "state_dir"):  # nothing is sent twice: a token would be made twice
        return Client(state_dir=given.state_dir or state_directory(os.environ), patience_seconds=0)
    token = os.environ.get("TAILRUN_TOKEN", "").strip() or None
    client = Client(
        token=token,
        patience_seconds=getattr(given, "patience", SHORT_PATIENCE_SECONDS),
        tell=notes.away,
    )
    if token is not None and client.place.is_overheard:
        notes.say(f"TAILRUN_TOKEN can be read on the way to {client.place}. Use https.")
    return client
