"""The spool: what one run leaves on local disk, and the records in it.

    STATE_DIR/spool/<run_id>/   0700; its creation is the token that a run is started at most once
                      (and once it is removed, tombstones.py)
        pipe              FIFO: the run's stdout and stderr
        output            the bytes that the keeper moved out of the pipe
        tail.<n>          output beyond the head, of which only the tail is kept (see run/output.py)
        run.json          ProcessRecord
        stop.json         StopRecord, written before the first signal
        exit.json         ExitRecord; once it is there, `output` will not grow any more
        exit.tmp          space for that, kept free: the disk may be full when the run ends
        changed           somebody else has cut or lengthened the output
        given-up          somebody wants it ended though its output cannot be stored
    STATE_DIR/work/<run_id>/    0700; the run's own, which may leave in it what it likes
        script            the script as run, executable (before: in the spool)
        hook-body         what a hook was sent, where a hook started the run
                          For a run as another user the directory and the script are that user's,
                          as is `pipe`, and others may pass (0711) what is above the directory.
    STATE_DIR/trash/            what is being removed (see trash.py)

Records are written beside their place and renamed into it, so that a reader sees all of a
record or none. They are not synced to disk: after a power failure the runs are gone as well.
See files.py and records.py for how they are read.
"""

import errno
import json
import logging
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from server.keeper import records
from server.keeper.accounts import Account
from server.keeper.files import (
    TRANSIENT_ERRORS,
    closed_mode,
    open_regular,
    read_object,
    write_whole,
)
from server.keeper.records import ExitRecord, ProcessRecord, StopRecord
from server.keeper.trash import Trash

SCRIPT = "script"
HOOK_BODY = "hook-body"
PIPE = "pipe"
OUTPUT = "output"
TAIL = "tail"
PROCESS_RECORD = "run.json"
STOP_RECORD = "stop.json"
EXIT_RECORD = "exit.json"
EXIT_SPACE = "exit.tmp"
CHANGED = "changed"
GIVEN_UP = "given-up"

EXIT_SPACE_BYTES = 4096  # an exit record takes no more: its texts are cut (run/ending.py)
MAX_SCRIPT_BYTES = 256 * 1024 * 1024  # a file in its place may be of any size
PASSABLE = stat.S_IXGRP | stat.S_IXOTH  # others may pass a directory, and see nothing of it
MAX_FIRST_LINE_BYTES = 4096  # such as #!interpreter; the script may be one line of megabytes

logger = logging.getLogger(__name__)

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Spool:
    """The spools of all runs, in the directory `root`; work directories and trash are beside it.

    `on_end` is told of a run before its end is recorded: from then on its spool may be removed.
    """

    def __init__(self, root: Path, on_end: Callable[[str], None] = lambda _: None) -> None:
        self.root = root
        self.on_end = on_end
        self.trash = Trash(root.parent / "trash")
        self._works = root.parent / "work"
        self._unremoved: set[str] = set()

    @classmethod
    def of(cls, state_dir: Path, on_end: Callable[[str], None] = lambda _: None) -> "Spool":
        """Return the spool of a state directory."""
        return cls(state_dir / "spool", on_end)

    def directory(self, run_id: str) -> Path:
        """Return where a run's files are.

        Raises:
            ValueError: `run_id` is no UUID.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"not a run id: {run_id!r}")
        return self.root / run_id

    def work(self, run_id: str) -> Path:
        """Return a run's work directory, which has its script."""
        return self._works / self.directory(run_id).name

    def is_work(self, directory: str | None, run_id: str) -> bool:
        """Whether a directory is a run's own: other state directories have runs as well."""
        return directory == f"{self._works}/{run_id}"

    def output_path(self, run_id: str) -> Path:
        """Return where a run's output is."""
        return self.directory(run_id) / OUTPUT

    def run_ids(self) -> list[str]:
        """Return the runs that have a spool, ended or not."""
        return _run_ids(self.root)

    def create(
        self,
        run_id: str,
        script: bytes,
        account: Account | None = None,
        hook_body: bytes | None = None,
    ) -> bool:
        """Make a run's spool and work directory; False when the spool is there already.

        The latter is the account's that the run is started as, if it is another user's.

        Raises:
            OSError: it could not be made; or, where its directory is there, not all of it.
        """
        directory = self.directory(run_id)
        try:
            _below(self.root, lambda: self._make(directory))
        except FileExistsError:
            return False
        mode = closed_mode(directory, 0o600)
        _write(directory / OUTPUT, b"", mode)
        os.mkfifo(directory / PIPE, mode)
        _keep_free(directory / EXIT_SPACE, mode)
        work = self.work(run_id)
        try:
            _below(self._works, lambda: work.mkdir(mode=0o700))
        except FileExistsError:
            # It is none of this run's: a run has a spool before it has a work directory.
            self.trash.take(work)
            work.mkdir(mode=0o700)
        _write(work / SCRIPT, script, 0o700)
        if hook_body is not None:
            _write(work / HOOK_BODY, hook_body, 0o600)
        if account is not None:
            self._give_to(account, directory, work)
        return True

    def _give_to(self, account: Account, directory: Path, work: Path) -> None:
        """Give another user what he needs of a run: its own directory, and its pipe.

        A process that opens /dev/stderr opens the pipe anew, and the mode counts again (proc(5)).
        """
        for path in (self._works.parent, self._works):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & PASSABLE != PASSABLE:
                path.chmod(mode | PASSABLE)
        os.chown(directory / PIPE, account.uid, -1)
        mode = closed_mode(directory, 0o700)
        # The group that may read the spools may read the script as well.
        group = directory.stat().st_gid if mode & stat.S_IRGRP else account.gid
        body = work / HOOK_BODY
        if body.exists():
            os.chown(body, account.uid, account.gid)
        for path in (work / SCRIPT, work):  # the directory last: then it may hold anything
            path.chmod(mode)
            os.chown(path, account.uid, group)

    def restore(self, run_id: str) -> None:
        """Make the directory of a run's spool again, if somebody has removed it.

        Raises:
            OSError: it cannot be made; or, as FileNotFoundError, there is no spool at all any more.
        """
        directory = self.directory(run_id)
        if not _is_directory(directory):  # to try to make it costs more
            with suppress(FileExistsError):
                self._make(directory)

    def put_aside(self, run_id: str) -> None:
        """Put a run's spool into the trash, to begin a new one.

        Raises:
            OSError: not even that can be.
        """
        self.trash.take(self.directory(run_id))

    def remove(self, run_id: str) -> None:
        """Remove a run's spool and work directory; harmless when there are none.

        Nothing that a run left is an error; what cannot be removed now waits for `sweep`.
        """
        # The spool goes last, and at once: what was cut short is done by the next removal.
        for path in (self.work(run_id), self.directory(run_id)):
            try:
                name = self.trash.take(path)
            except OSError as error:
                if run_id not in self._unremoved:
                    self._unremoved.add(run_id)
                    logger.warning("not removed, trying again later: %s: %s", path, error)
            else:
                if name is not None:
                    self.trash.remove(name)

    def sweep(self) -> None:
        """Remove what earlier removals left, and the work directories of runs without a spool."""
        works = [] if self._works.is_symlink() else _run_ids(self._works)
        without_spool = set(works) - set(self.run_ids())
        for run_id in without_spool | self._unremoved:
            self.remove(run_id)
        self.trash.empty()

    def read_script(self, run_id: str) -> str:
        """Return the script as it was run.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return _read_text(_open_script(self.work(run_id)))
        except FileNotFoundError:
            # Where the first version had it.
            return _read_text(open_regular(self.directory(run_id) / SCRIPT))

    def has_windows_line_ends(self, run_id: str) -> bool:
        """Whether the script's first line ends with CRLF; False where it cannot be read."""
        with (
            suppress(OSError),
            open(_open_script(self.work(run_id)), "rb") as file,
        ):
            return file.readline(MAX_FIRST_LINE_BYTES).endswith(b"\r\n")
        return False

    def read_process(self, run_id: str) -> ProcessRecord | None:
        """Return who the run's main process is; None before it was started."""
        return records.process_record(read_object(self.directory(run_id) / PROCESS_RECORD))

    def read_stop(self, run_id: str) -> StopRecord | None:
        """Return why the run is being stopped; None when it is not."""
        return records.stop_record(read_object(self.directory(run_id) / STOP_RECORD))

    def read_exit(self, run_id: str) -> ExitRecord | None:
        """Return how the run ended; None while it has not."""
        return read_exit(self.directory(run_id))

    def give_up(self, run_id: str) -> None:
        """Note, for later servers too, that a run is to end even if its output cannot be stored.

        Raises:
            OSError: it could not be noted.
        """
        with suppress(FileExistsError):
            _write(self.directory(run_id) / GIVEN_UP, b"")

    def is_given_up(self, run_id: str) -> bool:
        """Whether that was noted."""
        return os.path.lexists(self.directory(run_id) / GIVEN_UP)

    def write_process(self, run_id: str, record: ProcessRecord) -> None:
        """Record who the run's main process is."""
        self._write(self.directory(run_id) / PROCESS_RECORD, record)

    def write_stop(self, run_id: str, record: StopRecord) -> None:
        """Record that the run is to end."""
        self._write(self.directory(run_id) / STOP_RECORD, record)

    def write_exit(self, run_id: str, record: ExitRecord) -> None:
        """Record how the run ended."""
        self._write(self.directory(run_id) / EXIT_RECORD, record)

    def _write(self, path: Path, record: ProcessRecord | StopRecord | ExitRecord) -> None:
        """Write a record; what stands in its way and is none of ours is put into the trash."""
        data = json.dumps(asdict(record)).encode()
        try:
            write_whole(path, data)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in TRANSIENT_ERRORS:
                raise
            logger.warning("in the way of a record, moved to the trash: %s", error)
            for stranger in (path, path.with_suffix(".tmp")):
                self.trash.take(stranger)
            write_whole(path, data)

    def _make(self, directory: Path) -> None:
        """Make a directory; FileExistsError: it is there. What is none is put into the trash."""
        try:
            directory.mkdir(mode=closed_mode(self.root, 0o700))
        except FileExistsError:
            if _is_directory(directory):
                raise
            self.trash.take(directory)
            directory.mkdir(mode=closed_mode(self.root, 0o700))


def read_exit(directory: Path) -> ExitRecord | None:
    """Return how the run of a spool ended; None while it has not.

    Raises:
        OSError: it cannot be read now, for a reason that passes.
    """
    return records.exit_record(read_object(directory / EXIT_RECORD))


def _below(parent: Path, make: Callable[[], None]) -> None:
    """Make something in a directory, and that one if it is not there: mostly it is."""
    try:
        make()
    except FileNotFoundError:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make()


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _run_ids(directory: Path) -> list[str]:
    """Return the directories that are named by a run."""
    try:
        with os.scandir(directory) as entries:
            return [
                entry.name
                for entry in entries
                if _RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123
        file.write(data)


def _keep_free(path: Path, mode: int) -> None:
    """Take space on the disk for a record that is written later."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.posix_fallocate(descriptor, 0, EXIT_SPACE_BYTES)
    finally:
        os.close(descriptor)


def _open_script(work: Path) -> int:
    """Open the script in a work directory, if it is that one's user's.

    By a link to somebody else's file there, root could otherwise be had to read and show it.

    Raises:
        OSError: it cannot be opened, or is somebody else's.
    """
    descriptor = open_regular(work / SCRIPT)
    if os.fstat(descriptor).st_uid == work.stat().st_uid:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EPERM, "not the run's own", str(work / SCRIPT))


def _read_text(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file.read(MAX_SCRIPT_BYTES).decode(errors="replace")
