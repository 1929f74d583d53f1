"""What is done to one run of a torture: to its row, a record, its spool, or a chunk of its output.

Each is a kind of fault that happened, or that somebody of the same user can make.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.keeper.spool import Spool
from tests.support.strangers import STRANGERS

SETUP = """
    CREATE TABLE refused (run UUID PRIMARY KEY);
    CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM refused WHERE run = OLD.id) THEN RAISE 'not this one'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON commands_info FOR EACH ROW EXECUTE FUNCTION refuse()
"""
"""Done once: from then on a run whose id is in `refused` has a row that cannot be written."""

CHUNK = """
    UPDATE commands_info_output SET {change} WHERE commands_info_id = '{{run}}' AND byte_offset = (
        SELECT byte_offset FROM commands_info_output WHERE commands_info_id = '{{run}}'
        ORDER BY random() LIMIT 1)
"""
"""Changes any chunk of a run."""

JUNK = STRANGERS | {
    "nothing": lambda path: path.write_bytes(b""),
    "no JSON": lambda path: path.write_bytes(b"[" * 60_000),
    "a wrong time": lambda path: path.write_bytes(b'{"exitcode": 0, "ended_at": 1e300}'),
    "a wrong type": lambda path: path.write_bytes(b'{"pid": "1", "exitcode": {}, "cause": 3}'),
}

RECORDS = ("run.json", "stop.json", "exit.json", "exit.tmp")


@dataclass(frozen=True, slots=True)
class Mischief:
    """One kind of it.

    `sql` is done to the database, `mend` undoes it, in both `{run}` is the run; `files` is done to
    its directories. `after`: once the run has ended. `whole`: no byte of its output may be wrong
    all the same; else its reason must tell. `deleted`: nobody will know the run any more.
    """

    name: str
    sql: str | None = None
    mend: str | None = None
    files: Callable[[Spool, str], object] | None = None
    after: bool = False
    whole: bool = True
    deleted: bool = False

    def touch(self, spool: Spool, run_id: str) -> None:
        """Do what is done to files; a run that has ended meanwhile has none."""
        if self.files is not None and spool.directory(run_id).is_dir():
            try:
                self.files(spool, run_id)
            except OSError as error:
                if spool.directory(run_id).is_dir():
                    print(f"{self.name}: {error}", flush=True)


def _at(name: str, make: Callable[[Path], object]) -> Callable[[Spool, str], object]:
    """Put something at a name in a run's spool."""

    def put(spool: Spool, run_id: str) -> None:
        path = spool.directory(run_id) / name
        path.unlink(missing_ok=True)
        make(path)

    return put


def _output(change: Callable[[Path], object]) -> Callable[[Spool, str], object]:
    return lambda spool, run_id: change(spool.output_path(run_id))


def _replace(path: Path) -> None:
    """As `sed -i` does."""
    path.with_name("sed").write_bytes(b"else\n")
    path.with_name("sed").replace(path)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


ROWS = (
    Mischief(
        "row: it cannot be written",
        sql="INSERT INTO refused VALUES ('{run}') ON CONFLICT DO NOTHING",
        mend="DELETE FROM refused WHERE run = '{run}'",
    ),
    Mischief(
        "row: output_bytes set back",
        sql="UPDATE commands_info SET output_bytes = 0, output_lines = 0 WHERE id = '{run}'"
        " AND state = 'running'",
    ),
    Mischief(
        "row: a stray chunk",
        sql="INSERT INTO commands_info_output SELECT id, output_bytes, 1, 1, output_lines, now(),"
        " 'x' FROM commands_info WHERE id = '{run}' AND state = 'running'",
        mend="DELETE FROM commands_info_output WHERE commands_info_id = '{run}' AND data = 'x'",
    ),
    Mischief(
        "row: a stray chunk, for good",
        sql="INSERT INTO commands_info_output SELECT id, output_bytes, 1, 1, output_lines, now(),"
        " 'x' FROM commands_info WHERE id = '{run}' AND state = 'running'",
    ),
    Mischief("row: deleted", sql="DELETE FROM commands_info WHERE id = '{run}'", deleted=True),
)

FILES = (
    *(
        Mischief(f"record: {kind} for {name}", files=_at(name, make))
        for number, name in enumerate(RECORDS)
        for kind, make in list(JUNK.items())[number % 2 :: 2]
    ),
    *(
        Mischief(f"spool: {kind} for output", files=_at("output", make), whole=False)
        for kind, make in list(JUNK.items())[:4]
    ),
    Mischief("spool: output removed", files=_output(Path.unlink), whole=False),
    Mischief("spool: output replaced", files=_output(_replace), whole=False),
    Mischief("spool: output cut", files=_output(lambda path: os.truncate(path, 9)), whole=False),
    Mischief(
        "spool: output lengthened",
        files=_output(lambda path: os.truncate(path, 4 << 40)),
        whole=False,
    ),
    Mischief("spool: the pipe removed", files=_at("pipe", lambda _: None)),
    Mischief(
        "spool: removed", files=lambda spool, run_id: _remove(spool.directory(run_id)), whole=False
    ),
    Mischief(
        "spool: moved away",
        files=lambda spool, run_id: spool.trash.take(spool.directory(run_id)),
        whole=False,
    ),
    Mischief("work: removed", files=lambda spool, run_id: _remove(spool.work(run_id))),
)

CHUNKS = tuple(
    Mischief(f"chunk: {name}", sql=CHUNK.format(change=change), after=True)
    for name, change in {
        "a hole": "byte_offset = byte_offset + 2 * byte_count + 1000000",
        "other bytes": "data = set_byte(data, length(data) / 2,"
        " 255 - get_byte(data, length(data) / 2))",
        "no frame": "data = 'x'",
        "shorter than it tells": "byte_count = byte_count + 5",
        "other lines": "line_count = line_count + 1",
    }.items()
)

PART_OF_ALL = {"row": ROWS, "files": FILES, "chunk": CHUNKS}
"""What is drawn from in turn, so that each part has its share."""
