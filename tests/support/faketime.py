"""A wall clock that jumps, for one process: Debian's faketime, which `make test` installs."""

from pathlib import Path


def environment(clock: Path) -> dict[str, str]:
    """Return what gives a process a wall clock that is off by what `clock` says: `+3600` seconds.

    Its monotonic clock stays true.
    """
    [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
