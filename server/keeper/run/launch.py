"""How a script is started: the command line for it, and why it could not be."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import SubprocessError

from server.keeper import rlimits
from server.keeper.cgroups.group import Group
from server.keeper.cgroups.place import CgroupError
from server.keeper.protocol import RUN_DIRECTORY_VARIABLE, RUN_ID_VARIABLE, StartRequest
from server.keeper.spool import PIPE, SCRIPT

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
    request: StartRequest, directory: Path, work: Path, group: Group | None
) -> asyncio.subprocess.Process:
    """Start a run's main process in a session of its own and in its group, writing to its pipe.

    Raises:
        OSError: it cannot be started: its interpreter, its directory, its cgroup.
        SubprocessError: it could not set its limits, or enter its cgroup.
        ValueError: its environment cannot be passed on.
    """
    script = str(work / SCRIPT)
    # Open for reading too: so the pipe stays whole, and writing only waits, without a keeper.
    output = os.open(directory / PIPE, os.O_RDWR)
    try:
        with _limiter(request, group) as limit:
            return await asyncio.create_subprocess_exec(
                *command_line(request.script.encode(), script, request.shell),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=request.directory,
                env=request.environment
                | {RUN_ID_VARIABLE: request.run_id, RUN_DIRECTORY_VARIABLE: str(work)},
                start_new_session=True,
                # With a function to call, Python forks and not vforks, which halves the rate of
                # starts: so there is one only when a limit is to be set. It is safe: the one
                # thread beside (pump.py) waits for work, or is within splice(2).
                preexec_fn=limit,
            )
    finally:
        os.close(output)


@contextmanager
def _limiter(request: StartRequest, group: Group | None) -> Iterator[Callable[[], None] | None]:
    """Provide what the main process must call before it executes its program; mostly nothing."""
    set_limits = rlimits.setter(request)
    if group is None:
        yield set_limits
        return
    with group.entrance() as enter:

        def limit() -> None:
            enter()
            if set_limits is not None:
                set_limits()

        yield limit


def explain(error: Exception, request: StartRequest) -> str:
    """Say for the user why a script could not be started."""
    if isinstance(error, CgroupError):
        return f"the limit TAILRUN_MAX_RUN_MEMORY_BYTES cannot be held: {error}"
    if isinstance(error, SubprocessError):
        return "the main process could not set its limits, or enter its cgroup"
    if not isinstance(error, OSError):
        return f"the script cannot be started: {error}"
    reason = error.strerror or str(error)
    if error.filename == request.directory:
        return f"the directory {request.directory!r} cannot be entered: {reason}"
    interpreter = command_line(request.script.encode(), "", request.shell)[0]
    if interpreter.endswith("\r"):
        reason += "; the script has Windows line ends (CRLF), save it with Unix ones (LF)"
    return f"the interpreter {interpreter!r} cannot be run: {reason}"
