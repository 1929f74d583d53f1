"""The records and directories of the spool."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.keeper.records import ExitRecord, Limits, ProcessRecord, StopRecord
from server.keeper.spool import EXIT_SPACE_BYTES, Spool, read_exit
from tests.support.strangers import STRANGERS

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
PROCESS = ProcessRecord(1, 2, "boot", 3.5, Limits(timeout_seconds=4, max_output_bytes=5))
texts = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
sizes = st.integers(0, 2**63 - 1)
given_a_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool.of(tmp_path)
    assert spool.create(RUN_ID, b"script")
    return spool


def test_a_spool_is_made_once(spool: Spool) -> None:
    assert spool.create(RUN_ID, b"other") is False
    assert (spool.work(RUN_ID) / "script").read_bytes() == b"script"
    assert spool.output_path(RUN_ID).read_bytes() == b""
    assert (spool.directory(RUN_ID) / "pipe").is_fifo()


def test_a_spool_that_was_not_made_whole_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no room")

    spool = Spool.of(tmp_path)
    monkeypatch.setattr(os, "mkfifo", refuse)
    with pytest.raises(OSError, match="no room"):
        spool.create(RUN_ID, b"script")
    assert spool.run_ids() == [RUN_ID]
    assert spool.create(RUN_ID, b"script") is False


@pytest.mark.parametrize("run_id", ["", "..", "../x", RUN_ID.upper(), RUN_ID + "\n", RUN_ID + "/"])
def test_only_a_run_id_names_a_directory(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ValueError, match="not a run id"):
        Spool.of(tmp_path).directory(run_id)


def test_run_ids_are_those_of_the_spools(spool: Spool) -> None:
    (spool.root / "something").mkdir()
    assert spool.run_ids() == [RUN_ID]
    assert Spool(spool.root / "none").run_ids() == []


def test_nothing_is_recorded_at_first(spool: Spool) -> None:
    assert spool.read_process(RUN_ID) is None
    assert spool.read_stop(RUN_ID) is None
    assert spool.read_exit(RUN_ID) is None


def test_a_process_record_is_read_as_written(spool: Spool) -> None:
    spool.write_process(RUN_ID, PROCESS)
    assert spool.read_process(RUN_ID) == PROCESS


def test_a_stop_record_is_read_as_written(spool: Spool) -> None:
    record = StopRecord("timeout", "SIGTERM", 1.5, 2.5)
    spool.write_stop(RUN_ID, record)
    spool.write_stop(RUN_ID, record)
    assert spool.read_stop(RUN_ID) == record


@given_a_directory
@given(
    record=st.builds(
        ExitRecord,
        exitcode=st.integers(0, 255),
        cause=texts.filter(lambda text: len(text or "") <= 100),
        error=texts,
        lost=st.booleans(),
        ended_at=st.floats(0, 1e10),
        output_bytes=sizes,
        survivors=st.lists(texts.map(str)),
        left_out_bytes=sizes,
        memory_reached=st.booleans(),
    )
    | st.builds(ExitRecord, signal=st.sampled_from(["SIGKILL", "SIGRTMIN+3"]))
)
def test_an_exit_record_is_read_as_written(spool: Spool, record: ExitRecord) -> None:
    spool.write_exit(RUN_ID, record)
    assert spool.read_exit(RUN_ID) == record


def test_what_a_newer_keeper_added_is_left_out(spool: Spool) -> None:
    spool.write_process(RUN_ID, PROCESS)
    path = spool.directory(RUN_ID) / "run.json"
    values = json.loads(path.read_bytes())
    values["new"] = values["limits"]["new"] = 1
    path.write_text(json.dumps(values))
    assert spool.read_process(RUN_ID) == PROCESS


def test_what_an_older_keeper_did_not_write_is_its_default(spool: Spool) -> None:
    (spool.directory(RUN_ID) / "exit.json").write_text('{"exitcode": 3}')
    assert spool.read_exit(RUN_ID) == ExitRecord(exitcode=3, memory_reached=False)


WRONG_PROCESSES: list[dict[str, object]] = [
    {"pid": 0},
    {"pid": 2**40},
    {"pid": 1.0},
    {"pid": True},
    {"started_at": 1e300},
    {"started_at": float("nan")},
    {"started_at": "1"},
    {"limits": 3},
    {"limits": {"grace_seconds": None}},
    {"limits": {"tail_bytes": -1}},
    {"exitcode": 256},
    {"exitcode": 1, "signal": "SIGTERM"},
    {"memory_group": 4},
    {"label": "a\0"},
    {"label": "\ud800"},
]


@pytest.mark.parametrize("wrong", WRONG_PROCESSES, ids=str)
def test_a_record_with_a_wrong_value_is_none(spool: Spool, wrong: dict[str, object]) -> None:
    path = spool.directory(RUN_ID) / "run.json"
    path.write_text(json.dumps(asdict(PROCESS)))
    assert spool.read_process(RUN_ID) == PROCESS
    path.write_text(json.dumps(asdict(PROCESS) | wrong))
    assert spool.read_process(RUN_ID) is None


@pytest.mark.parametrize("wrong", [{"signal": "SIGNONE"}, {"signal": 15}, {"cause": None}])
def test_a_stop_that_names_no_signal_is_none(spool: Spool, wrong: dict[str, object]) -> None:
    record = asdict(StopRecord("stop", "SIGTERM", 1)) | wrong
    (spool.directory(RUN_ID) / "stop.json").write_text(json.dumps(record))
    assert spool.read_stop(RUN_ID) is None


@pytest.mark.parametrize("wrong", [{"survivors": "x"}, {"survivors": [1]}, {"lost": 1}])
def test_an_end_with_a_wrong_value_is_none(spool: Spool, wrong: dict[str, object]) -> None:
    (spool.directory(RUN_ID) / "exit.json").write_text(json.dumps(asdict(ExitRecord()) | wrong))
    assert spool.read_exit(RUN_ID) is None


CONTENTS = [
    "",
    "{",
    "[]",
    "3",
    '{"pid": 1}',
    "\0",
    "\ufeff{}",
    "[" * 60_000,
    '{"a":' * 10_000,
    '{"pid": ' + "1" * 10_000 + "}",
    "{}" + " " * 70_000,
]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_record_that_is_not_whole_is_none(spool: Spool, content: str) -> None:
    (spool.directory(RUN_ID) / "run.json").write_text(content)
    assert spool.read_process(RUN_ID) is None


def test_the_space_for_the_end_is_kept_free(spool: Spool) -> None:
    space = spool.directory(RUN_ID) / "exit.tmp"
    assert space.stat().st_blocks * 512 >= EXIT_SPACE_BYTES
    taken = space.stat().st_ino
    spool.write_exit(RUN_ID, ExitRecord(exitcode=3))
    path = spool.directory(RUN_ID) / "exit.json"
    assert path.stat().st_ino == taken
    assert json.loads(path.read_bytes())["exitcode"] == 3


@pytest.mark.parametrize("name", ["exit.json", "exit.tmp"])
@pytest.mark.parametrize("kind", STRANGERS)
def test_what_stands_in_the_way_of_an_end_is_put_aside(spool: Spool, name: str, kind: str) -> None:
    path = spool.directory(RUN_ID) / name
    path.unlink(missing_ok=True)
    STRANGERS[kind](path)
    assert spool.read_exit(RUN_ID) is None
    assert read_exit(spool.directory(RUN_ID)) is None
    spool.write_exit(RUN_ID, ExitRecord(exitcode=3))
    assert spool.read_exit(RUN_ID) == ExitRecord(exitcode=3)


@pytest.mark.parametrize("kind", STRANGERS)
def test_only_a_directory_is_a_spool(tmp_path: Path, kind: str) -> None:
    """Whatever else has the name of a run, it does not keep the run from its start."""
    spool = Spool.of(tmp_path)
    for root in (spool.root, spool.work(RUN_ID).parent):
        root.mkdir()
    for path in (spool.directory(RUN_ID), spool.work(RUN_ID)):
        STRANGERS[kind](path)
    assert spool.run_ids() == ([RUN_ID] if kind == "directory" else [])
    assert spool.create(RUN_ID, b"script") is (kind != "directory")
    if kind != "directory":
        assert spool.read_script(RUN_ID) == "script"


def test_only_its_user_can_look_at_what_is_made(spool: Spool, tmp_path: Path) -> None:
    spool.write_process(RUN_ID, PROCESS)
    spool.remove("12345678-1234-1234-1234-123456789abc")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    with_700 = ("script", "spool", "work", "trash", RUN_ID)
    assert {modes.pop(name) for name in with_700} == {0o700}
    assert set(modes.values()) == {0o600}


def test_a_script_of_an_older_version_is_read(spool: Spool) -> None:
    (spool.work(RUN_ID) / "script").rename(spool.directory(RUN_ID) / "script")
    assert spool.read_script(RUN_ID) == "script"


def test_a_script_that_was_replaced_is_never_waited_for(spool: Spool) -> None:
    script = spool.work(RUN_ID) / "script"
    script.write_bytes(b"\xff")
    assert spool.read_script(RUN_ID) == "\ufffd"
    script.unlink()
    os.mkfifo(script)
    with pytest.raises(OSError, match="not a regular file"):
        spool.read_script(RUN_ID)


def test_removing_is_complete_and_harmless_when_done_again(spool: Spool) -> None:
    spool.write_exit(RUN_ID, ExitRecord())
    spool.remove(RUN_ID)
    spool.remove(RUN_ID)
    assert spool.run_ids() == []


def test_a_removal_cut_short_leaves_a_run_that_has_ended_or_none(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spool goes by one rename, after all else."""
    spool.write_exit(RUN_ID, ExitRecord(exitcode=3))
    rename, left = Path.rename, 0

    def rename_some(path: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise InterruptedError
        left -= 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename_some)
        for left in (0, 1):  # noqa: B007  it is counted down
            spool.remove(RUN_ID)
            assert spool.read_exit(RUN_ID) == ExitRecord(exitcode=3)
    spool.sweep()
    assert spool.run_ids() == []


def test_where_a_link_in_place_of_the_work_directories_leads_to_is_not_swept(
    spool: Spool, tmp_path: Path
) -> None:
    works = spool.work(RUN_ID).parent
    (tmp_path / "elsewhere").mkdir()
    works.rename(tmp_path / "elsewhere" / "work")
    works.symlink_to(tmp_path / "elsewhere" / "work")
    spool.trash.take(spool.directory(RUN_ID))
    spool.sweep()
    assert spool.work(RUN_ID).is_dir()


def test_work_directories_of_removed_spools_are_swept_away(spool: Spool) -> None:
    """But for what others have put beside them."""
    kept = spool.work(RUN_ID).parent / "notes"
    kept.write_bytes(b"mine")
    spool.sweep()
    assert spool.work(RUN_ID).is_dir()
    spool.trash.take(spool.directory(RUN_ID))
    spool.sweep()
    assert [path.name for path in kept.parent.iterdir()] == ["notes"]
    assert list(spool.trash.root.iterdir()) == []
