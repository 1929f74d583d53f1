"""What a worker was told when it was enrolled: where servers are met, and how they are known."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from server.errors import StartupError
from server.files import read_small
from server.wire.keys import PublicKey, write_own

ENROLMENT_FILE = "worker.json"
SEED_FILE = "nats.seed"
"""The seed of a host's key in its state directory, unless a setting names another file."""

HOW = (
    "`tailrun worker enroll URL --token TOKEN` enrols it; `tailrun workers token` makes a token at"
    " a server"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A worker's part of its enrolment, beside its key; its pools are what servers say at the time.

    `server` is whom it was enrolled with, `nats_ca` certificates in PEM, None those of the system.
    """

    server: str
    name: str
    nats_url: tuple[str, ...]
    nats_ca: str | None
    verify_keys: tuple[str, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any], server: str) -> "Enrolment":
        """Read what a server has answered, or what stands in a file.

        Raises:
            ValueError: it is none, or has no key by which servers are known.
        """
        try:
            urls, keys, ca = told["nats_url"], told["verify_keys"], told["nats_ca"]
            texts = [told["name"], *urls, *keys, "" if ca is None else ca]
            for key in keys:
                PublicKey(key)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it lacks something: {error}") from error
        if not all(isinstance(one, str) for one in texts) or not urls or not keys:
            raise ValueError("it names no engine, or no key of the servers")
        return cls(
            server=server,
            name=told["name"],
            nats_url=tuple(urls),
            nats_ca=ca,
            verify_keys=tuple(keys),
        )

    @classmethod
    def read(cls, directory: Path) -> "Enrolment":
        """Read that of a state directory.

        Raises:
            StartupError: there is none, or it cannot be used.
        """
        path = directory / ENROLMENT_FILE
        try:
            told = json.loads(read_small(path))
            return cls.of(told, str(told["server"]))
        except FileNotFoundError as error:
            raise StartupError(
                f"This worker is not enrolled: {directory} has no {ENROLMENT_FILE}. {HOW}."
            ) from error
        except OSError as error:
            raise StartupError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StartupError(
                f"{path} is no enrolment: {error}. Enrol this worker again: {HOW}."
            ) from error

    def write(self, directory: Path) -> None:
        """Store it in a state directory, for its user alone.

        Raises:
            StartupError: it cannot be written.
        """
        path = directory / ENROLMENT_FILE
        try:
            write_own(path, json.dumps(asdict(self), indent=2) + "\n")
        except OSError as error:
            raise StartupError(f"{path} cannot be written: {error.strerror}.") from error
