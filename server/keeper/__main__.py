"""The keeper's command line: STATE_DIR IDLE_SECONDS; see client.py for who calls it.

Exit statuses: 0 when the keeper serves (it goes on by itself), 75 when another one has the state
directory. Further arguments are the keeper's own, when it executes itself anew: see handover.py.

With TAILRUN_KEEPER_CONFIGURATION it is a service of its own (configuration.py): it stays where it
was started, tells the service manager when it serves, and ends with 78 if it cannot.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.keeper.handover import Descriptors

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
RESTORED_SIGNALS = {signal.SIGPIPE, signal.SIGXFSZ}  # Python ignores them, and gives them back


def main() -> int:
    """Become the keeper of a state directory, unless there is one."""
    state_dir, idle_seconds, *kept = sys.argv[1:]
    # One that has executed itself anew holds the lock already.
    lock = int(kept[0].partition(",")[0]) if kept else take_lock(Path(state_dir))
    if (lock < 0 or not lock_directory(Path(state_dir))) and not kept:
        print(f"another keeper serves {state_dir}", file=sys.stderr)
        return os.EX_TEMPFAIL
    configuration = os.environ.get("TAILRUN_KEEPER_CONFIGURATION")
    ready = None if kept or configuration else detach()
    if not __package__:  # it was started by its path (client.py), and must find `server`
        sys.path.append(str(Path(__file__).parents[2]))
    return serve(Path(state_dir), float(idle_seconds), lock, kept, ready, configuration)


def take_lock(state_dir: Path) -> int:
    """Return the descriptor that holds the state directory for as long as it is open; or -1."""
    directory = state_dir / "keeper"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return -1
    return lock


def lock_directory(state_dir: Path) -> bool:
    """Lock the state directory itself, for as long as the process lives; False: another has."""
    # The lock's file may be removed under its holder, and the next keeper would make a new one.
    directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def detach() -> int:
    """Leave the caller, its session and its directory.

    The caller's process waits, and ends with 0 once the descriptor returned is written to.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os._exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    os.setsid()  # what is typed at the caller's terminal is not for us
    os.chdir("/")  # or the file system of the caller's directory could not be unmounted
    return writing


def serve(
    state_dir: Path,
    idle_seconds: float,
    lock: int,
    kept: list[str],
    waiting: int | None,
    configuration: str | None,
) -> int:
    """Serve until there is nothing to do; return the exit status."""
    # asyncio does without TLS, and without OpenSSL the keeper is a quarter smaller.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    import asyncio  # noqa: PLC0415
    import logging  # noqa: PLC0415

    from server.keeper import rlimits  # noqa: PLC0415
    from server.keeper.configuration import ConfigurationError  # noqa: PLC0415
    from server.keeper.handover import Handover  # noqa: PLC0415
    from server.keeper.keeper import Keeper  # noqa: PLC0415

    def ready() -> None:
        handover.close()
        if waiting is not None:
            with contextlib.suppress(BrokenPipeError):  # killed with the server that launched us
                os.write(waiting, b"1")
            os.close(waiting)
        notify()

    handover = Handover.received(kept)
    if handover.open_files is not None:
        rlimits.OPEN_FILES.given = handover.open_files
    become_keeper()
    rlimits.forbid_core_dumps()
    if sys.version_info < (3, 12):  # later ones wait by pidfd as they are
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s")
    file = None if configuration is None else Path(configuration)
    try:
        keeper = Keeper(state_dir, idle_seconds, partial(execute, lock), handover, file)
    except (ConfigurationError, OSError) as error:
        if kept or configuration is None:
            raise
        print(f"tailrun: The keeper is not started: {error}.", file=sys.stderr)
        return os.EX_CONFIG
    asyncio.run(keeper.serve(ready))
    return 0


def notify() -> None:
    """Tell the service manager that the keeper serves, if it asks (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    import socket  # noqa: PLC0415

    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(address.replace("@", "\0", 1))
        manager.send(b"READY=1")


def become_keeper() -> None:
    """Adopt orphans, keep out of reach of children, and give them no ignored signal."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    for number in signal.valid_signals() - RESTORED_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def execute(lock: int, runs: "Mapping[str, Descriptors]", ended: "Iterable[int]") -> None:
    """Execute the keeper's code anew in this process, with the files of the runs kept open.

    The same process stays the parent of its children. Signals that would end it wait until it
    handles them again.

    Raises:
        OSError: it could not be done, and nothing has changed.
    """
    from server.keeper.handover import handed_over  # noqa: PLC0415

    # What precedes our arguments: the interpreter, its options, and the path of this file.
    given = len(sys.orig_argv) - len(sys.argv) + 1
    command = [*sys.orig_argv[:given], *sys.argv[1:3]]
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        with handed_over(lock, runs, ended) as arguments:
            os.execv(sys.executable, [*command, *arguments])  # noqa: S606
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)


if __name__ == "__main__":
    sys.exit(main())
