"""What other versions read and write: the names and values on disk and on the wire, as texts."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from server.keeper.protocol import StartRequest
from server.keeper.records import ExitRecord, Limits, ProcessRecord, StopRecord
from server.keeper.spool import Spool

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
BOOT_ID = "3dfaf2ba-1f41-4cc2-97da-5cd9c697c955"
LIMITS_TEXT = (
    '"timeout_seconds": 75.0, "max_output_bytes": 3000000, "min_free_bytes": 536870912,'
    ' "grace_seconds": 3.0, "output_policy": "head_and_tail", "tail_bytes": 500000,'
    ' "max_open_files": 64, "max_processes": 128, "max_run_memory_bytes": 1048576'
)
LIMITS = Limits(
    timeout_seconds=75.0,
    max_output_bytes=3000000,
    min_free_bytes=536870912,
    grace_seconds=3.0,
    output_policy="head_and_tail",
    tail_bytes=500000,
    max_open_files=64,
    max_processes=128,
    max_run_memory_bytes=1048576,
)
PROCESS_TEXT = (
    f'{{"pid": 4711, "start_ticks": 1702084, "boot_id": "{BOOT_ID}", "started_at": 1795672482.75,'
    f' "limits": {{{LIMITS_TEXT}}}, "exitcode": 7, "signal": null,'
    ' "memory_group": "/sys/fs/cgroup/tailrun/a", "label": "a label"}'
)
PROCESS = ProcessRecord(
    pid=4711,
    start_ticks=1702084,
    boot_id=BOOT_ID,
    started_at=1795672482.75,
    limits=LIMITS,
    exitcode=7,
    memory_group="/sys/fs/cgroup/tailrun/a",
    label="a label",
)
STOP_TEXT = (
    '{"cause": "timeout", "signal": "SIGTERM", "grace_seconds": 25.0, "requested_at": 1795672483.5}'
)
STOP = StopRecord("timeout", "SIGTERM", grace_seconds=25.0, requested_at=1795672483.5)
EXIT_TEXT = (
    '{"exitcode": null, "signal": "SIGKILL", "cause": "stop", "error": "why", "lost": false,'
    ' "ended_at": 1795672490.25, "output_bytes": 3000056, "survivors": ["4712 sleep"],'
    ' "left_out_bytes": 12298800, "memory_reached": true, "left_behind": 2,'
    ' "output_changed": true, "output_error": "no room"}'
)
EXIT = ExitRecord(
    signal="SIGKILL",
    cause="stop",
    error="why",
    ended_at=1795672490.25,
    output_bytes=3000056,
    survivors=["4712 sleep"],
    left_out_bytes=12298800,
    memory_reached=True,
    left_behind=2,
    output_changed=True,
    output_error="no room",
)
START_TEXT = (
    f'{{{LIMITS_TEXT}, "run_id": "{RUN_ID}", "script": "true", "shell": "/bin/bash",'
    ' "directory": "/root", "environment": {"A": "b"}, "label": "a label"}'
)
START = {
    **asdict(LIMITS),
    "run_id": RUN_ID,
    "script": "true",
    "shell": "/bin/bash",
    "directory": "/root",
    "environment": {"A": "b"},
    "label": "a label",
}
NOT_KNOWN_BEFORE = {
    "user": None,
    "no_new_privileges": False,
    "umask": None,
    "oom_score_adj": 0,
    "hook_body": None,
    "leased_at": None,
}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool.of(tmp_path)
    assert spool.create(RUN_ID, b"script")
    return spool


def test_records_of_the_version_before_are_read(spool: Spool) -> None:
    directory = spool.directory(RUN_ID)
    (directory / "run.json").write_text(PROCESS_TEXT)
    (directory / "stop.json").write_text(STOP_TEXT)
    (directory / "exit.json").write_text(EXIT_TEXT)
    assert spool.read_process(RUN_ID) == PROCESS
    assert spool.read_stop(RUN_ID) == STOP
    assert spool.read_exit(RUN_ID) == EXIT


def test_records_are_written_so_that_the_version_before_reads_them(spool: Spool) -> None:
    spool.write_process(RUN_ID, PROCESS)
    spool.write_stop(RUN_ID, STOP)
    spool.write_exit(RUN_ID, EXIT)
    for name, text in (("run", PROCESS_TEXT), ("stop", STOP_TEXT), ("exit", EXIT_TEXT)):
        written = json.loads((spool.directory(RUN_ID) / f"{name}.json").read_bytes())
        assert written.items() >= json.loads(text).items()


def test_a_request_of_the_version_before_is_read_and_one_is_written_like_it() -> None:
    request = StartRequest.from_message(json.loads(START_TEXT))
    assert asdict(request) == START | NOT_KNOWN_BEFORE
    assert not request.confined
    assert asdict(request).items() >= json.loads(START_TEXT).items()
