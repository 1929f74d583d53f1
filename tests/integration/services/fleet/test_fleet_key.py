"""All servers over one database sign with one key, and one that has another does not start."""

from pathlib import Path

import pytest

from server.errors import StartupError
from server.repositories.database.database import Database
from server.repositories.fleet_keys import FleetKeyRepository
from server.services.fleet.fleet_key import KEY_FILE, OwnKey


async def test_the_first_server_makes_the_key_and_others_need_a_copy(
    database: Database, tmp_path: Path
) -> None:
    repository = FleetKeyRepository(database)
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    own = OwnKey(None, first)
    await own.check(repository)
    await OwnKey(None, first).check(repository)

    with pytest.raises(StartupError, match=r"Copy it from one of them: .*TAILRUN_FLEET_KEY_FILE"):
        await OwnKey(None, second).check(repository)
    assert not (second / KEY_FILE).exists()  # nor is there another one that would be in the way

    copy = tmp_path / "copy"
    copy.write_text((first / KEY_FILE).read_text())
    copy.chmod(0o600)
    other = OwnKey(copy, second)
    await other.check(repository)
    assert other.key.public == own.key.public


async def test_a_key_that_was_there_before_is_left_alone(
    database: Database, tmp_path: Path
) -> None:
    """It may be another database's."""
    repository = FleetKeyRepository(database)
    await OwnKey(tmp_path / "one", tmp_path).check(repository)
    OwnKey(tmp_path / "other", tmp_path)
    with pytest.raises(StartupError):
        await OwnKey(tmp_path / "other", tmp_path).check(repository)
    assert (tmp_path / "other").exists()
