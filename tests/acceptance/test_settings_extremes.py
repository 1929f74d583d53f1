"""Settings at the ends of what they take: the server starts, or says in one line why not."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from server.settings.reading import all_settings
from tests.support.service import ROOT, Service
from tests.support.waiting import patience

BOUNDS = re.compile(r"from (\S+) to (\S+)$")
ALONE = ("database_timeout_seconds", "max_run_memory_bytes", "stop_grace_seconds")
"""Those at whose extremes a start may be refused, or an end takes long."""


def bounds() -> dict[str, tuple[str, str]]:
    """Return the least and the most that each setting that is a number takes, as it says itself."""
    found = {}
    for setting in all_settings():
        try:
            setting.parse("-1")
        except ValueError as error:
            if told := BOUNDS.search(str(error)):
                found[setting.name] = (told[1], told[2])
    del found["port"]
    return found


async def start(service: Service) -> tuple[int | None, str, str]:
    """Start a server and end it; return its exit code, the line on stdout, and what it logged."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server"),
        cwd=ROOT,
        env=service.environment,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    try:
        async with patience():
            line = await process.stdout.readline()
            if line:
                process.terminate()
            _, log = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode, line.decode(), log.decode()


def test_every_number_has_both_bounds() -> None:
    numbers = {
        setting.name
        for setting in all_settings()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", setting.shown)
    }
    assert bounds().keys() == numbers - {"port"}


@pytest.mark.parametrize("end", [0, 1], ids=["least", "most"])
async def test_all_settings_at_the_same_end_start(
    tmp_path: Path, database_url: str, end: int
) -> None:
    service = Service(tmp_path / "state", database_url)
    service.set(**{name: both[end] for name, both in bounds().items() if name not in ALONE})
    try:
        code, line, log = await start(service)
        assert (code, " serves " in line) == (0, True), log
        assert "Traceback" not in log
    finally:
        await service.end_keeper()


@pytest.mark.parametrize("name", ALONE)
async def test_a_setting_at_either_end_starts_or_is_refused_in_one_line(
    tmp_path: Path, database_url: str, name: str
) -> None:
    service = Service(tmp_path / "state", database_url)
    try:
        for text in bounds()[name]:
            service.set(**{name: text})
            code, line, log = await start(service)
            assert "Traceback" not in log
            if not line:
                assert code == os.EX_CONFIG
                assert log.splitlines()[-1].startswith("tailrun: ")
            else:
                assert code == 0
    finally:
        await service.end_keeper()


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("host", "a" * 300),
        ("host", ".."),
        ("host", "localhost%"),
        ("state_dir", "/" + "a" * 5000),
        ("state_dir", "/dev/null/state"),
        ("database_url", "postgresql://%zz"),
        ("database_url", "postgresql:///?hunter2=1"),
        ("working_directory", "/" + "a" * 5000),
        ("shell", "a" * 5000),
    ],
)
async def test_an_odd_text_starts_or_is_refused_in_one_line(
    tmp_path: Path, database_url: str, setting: str, text: str
) -> None:
    service = Service(tmp_path / "state", database_url)
    service.set(**{setting: text}, insecure_no_auth="true", allow_root_runs="true")
    try:
        code, line, log = await start(service)
        assert "Traceback" not in log
        assert "hunter2" not in log
        if line:
            assert code == 0
        else:
            assert code == os.EX_CONFIG
            assert log.splitlines()[-1].startswith("tailrun: ")
    finally:
        await service.end_keeper()
