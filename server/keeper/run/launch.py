"""How a script is started: the command line for it, and why it could not be."""

import asyncio
import os
from pathlib import Path

from server.keeper.accounts import Account
from server.keeper.cgroups.group import Group
from server.keeper.cgroups.place import CgroupError
from server.keeper.protocol import (
    HOOK_BODY_VARIABLE,
    RUN_DIRECTORY_VARIABLE,
    RUN_ID_VARIABLE,
    StartRequest,
)
from server.keeper.run.preparation import PreparationError, prepared, raise_oom_score
from server.keeper.spool import HOOK_BODY, PIPE, SCRIPT

_BLANKS = b" \t"


def command_line(script: bytes, path: str, shell: str) -> list[str]:
    """Return the command that runs the script at `path`.

    A first line `#!interpreter argument` is read as the kernel does: at most one argument, blanks
    within it kept (execve(2)). It is not left to the kernel because the spool may be on a file
    system mounted noexec.
    """
    if not script.startswith(b"#!"):
        return [shell, path]
    line = script[2:].partition(b"\n")[0].strip(_BLANKS)
    ends = [end for end in (line.find(blank) for blank in (b" ", b"\t")) if end > 0]
    end = min(ends, default=len(line))
    parts = [os.fsdecode(part) for part in (line[:end], line[end:].strip(_BLANKS)) if part]
    return [*parts, path] if parts else [shell, path]


async def launch(
    request: StartRequest,
    directory: Path,
    work: Path,
    account: Account | None,
    group: Group | None,
) -> asyncio.subprocess.Process:
    """Start a run's main process in a session of its own and in its group, writing to its pipe.

    It is this account's, or the keeper's own user's.

    Raises:
        OSError: it cannot be started: its interpreter, its directory, its cgroup.
        PreparationError: it could not set its limits, enter its cgroup, or become its user.
        ValueError: its environment cannot be passed on.
    """
    script = str(work / SCRIPT)
    # Open for reading too: so the pipe stays whole, and writing only waits, without a keeper.
    output = os.open(directory / PIPE, os.O_RDWR)
    try:
        with prepared(request, script, account, group) as prepare:
            process = await asyncio.create_subprocess_exec(
                *command_line(request.script.encode(), script, request.shell),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Another user enters it by himself: root may enter what he may not.
                cwd=request.directory if account is None else None,
                env=_environment(request, account, work),
                start_new_session=True,
                umask=-1 if request.umask is None else request.umask,
                # With a function to call, Python forks and not vforks, which halves the rate of
                # starts: so there is one only when there is something to do. It is safe: the one
                # thread beside (pump.py) waits for work, or is within splice(2).
                preexec_fn=prepare,
            )
    finally:
        os.close(output)
    raise_oom_score(process.pid, request.oom_score_adj)
    return process


def _environment(request: StartRequest, account: Account | None, work: Path) -> dict[str, str]:
    own = {} if account is None else account.environment
    marks = {RUN_ID_VARIABLE: request.run_id, RUN_DIRECTORY_VARIABLE: str(work)}
    if request.hook_body is not None:
        marks[HOOK_BODY_VARIABLE] = str(work / HOOK_BODY)
    return request.environment | own | marks


def explain(error: Exception, request: StartRequest) -> str:
    """Say for the user why a script could not be started."""
    if isinstance(error, CgroupError):
        return f"the limit TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held: {error}"
    if isinstance(error, PreparationError):
        return f"the main process could not {error}"
    if not isinstance(error, OSError):
        return f"the script cannot be started: {error}"
    reason = error.strerror or str(error)
    if error.filename == request.directory:
        return f"the directory {request.directory!r} cannot be entered: {reason}"
    interpreter = command_line(request.script.encode(), "", request.shell)[0]
    if interpreter.endswith("\r"):
        reason += "; the script has Windows line ends (CRLF), save it with Unix ones (LF)"
    return f"the interpreter {interpreter!r} cannot be run: {reason}"
