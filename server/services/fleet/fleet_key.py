"""The fleet's key: all servers over one database sign with the same one, or do not start."""

from pathlib import Path

from server.errors import StartupError
from server.repositories.fleet_keys import FleetKeyRepository
from server.wire.keys import FleetKey

SETTING = "TAILRUN_FLEET_KEY_FILE"
KEY_FILE = "fleet.key"


class OwnKey:
    """A server's key: of the file that a setting names, or of its state directory.

    Raises:
        StartupError: it cannot be read or made, or others can read it.
    """

    def __init__(self, key_file: Path | None, directory: Path) -> None:
        self._path = key_file or directory / KEY_FILE
        self._is_new = not self._path.exists()
        self.key = FleetKey.make(self._path)

    async def check(self, repository: FleetKeyRepository) -> None:
        """Check that it is the fleet's, or have it be, where there is none yet.

        Raises:
            StartupError: the other servers have another one.
            DatabaseUnavailableError: it is not known.
        """
        stored = await repository.fleet_key(self.key.public)
        if stored == self.key.public:
            return
        if self._is_new:  # or whoever copies theirs later would find one here
            self._path.unlink(missing_ok=True)
        raise StartupError(
            f"This server has not the key that the other servers of this database sign with"
            f" ({stored}), so no worker would believe it. Copy it from one of them: it is fleet.key"
            f" in its state directory, to be {self._path} here (mode 0600), or another file that"
            f" {SETTING} names."
        )
