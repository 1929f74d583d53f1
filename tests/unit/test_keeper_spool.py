"""The records and directories of the spool."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.keeper.spool import ExitRecord, Limits, ProcessRecord, Spool, StopRecord

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
PROCESS = ProcessRecord(1, 2, "boot", 3.5, Limits(timeout_seconds=4, max_output_bytes=5))
texts = st.none() | st.text()
given_a_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool.of(tmp_path)
    assert spool.create(RUN_ID, b"script")
    return spool


def test_a_spool_is_made_once(spool: Spool) -> None:
    assert spool.create(RUN_ID, b"other") is False
    assert (spool.directory(RUN_ID) / "script").read_bytes() == b"script"
    assert spool.output_path(RUN_ID).read_bytes() == b""
    assert (spool.directory(RUN_ID) / "pipe").is_fifo()


def test_a_spool_that_was_not_made_whole_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no room")

    spool = Spool.of(tmp_path)
    monkeypatch.setattr("server.keeper.spool.os.mkfifo", refuse)
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
        exitcode=st.none() | st.integers(0, 255),
        signal=texts,
        cause=texts,
        error=texts,
        lost=st.booleans(),
        ended_at=st.floats(allow_nan=False),
        output_bytes=st.integers(0),
        survivors=st.lists(st.text()),
        left_out_bytes=st.integers(0),
        memory_reached=st.booleans(),
    )
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


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"pid": 1}', '{"limits": 3}', "\0"])
def test_a_record_that_is_not_whole_is_none(spool: Spool, content: str) -> None:
    (spool.directory(RUN_ID) / "run.json").write_text(content)
    assert spool.read_process(RUN_ID) is None


def test_removing_is_complete_and_harmless_when_done_again(spool: Spool) -> None:
    spool.write_exit(RUN_ID, ExitRecord())
    spool.remove(RUN_ID)
    spool.remove(RUN_ID)
    assert spool.run_ids() == []


def test_a_removal_cut_short_leaves_a_run_that_has_ended(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write_process(RUN_ID, PROCESS)
    spool.write_exit(RUN_ID, ExitRecord(exitcode=3))
    files = len(list(spool.directory(RUN_ID).iterdir()))
    unlink = Path.unlink
    for _ in range(files - 1):
        left = [1]

        def unlink_some(path: Path, *, missing_ok: bool = False, left: list[int] = left) -> None:
            if not left[0]:
                raise InterruptedError
            left[0] -= 1
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", unlink_some)
            with pytest.raises(InterruptedError):
                spool.remove(RUN_ID)
        assert spool.read_exit(RUN_ID) == ExitRecord(exitcode=3)
    assert [path.name for path in spool.directory(RUN_ID).iterdir()] == ["exit.json"]
