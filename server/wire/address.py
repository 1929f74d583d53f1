"""Where the engine is, how it is known to be it, and who we are for it."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from server.errors import StartupError
from server.settings.groups import NatsSettings
from server.settings.values import LOOPBACK_HOSTS
from server.wire.keys import UserKey

URL, SEED_FILE, CA_FILE = "TAILRUN_NATS_URL", "TAILRUN_NATS_SEED_FILE", "TAILRUN_NATS_CA_FILE"


@dataclass(frozen=True, slots=True)
class Address:
    """One engine, or several that are one cluster.

    What is asked over it are scripts to be run: beyond this machine there is no connection without
    TLS, nor one without a key.
    """

    urls: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    key: UserKey | None = None

    @classmethod
    def of(cls, settings: NatsSettings) -> "Address":
        """Return what the settings say.

        Raises:
            StartupError: they do not fit together, or a file cannot be used.
        """
        assert settings.url, "without an engine there is no address"
        beyond = [url for url in settings.url if urlsplit(url).hostname not in LOOPBACK_HOSTS]
        for url in beyond:
            if urlsplit(url).scheme != "tls":
                raise StartupError(
                    f"{URL}: {url} is not on this machine, and without TLS everybody between could"
                    " have scripts run. Configure tls in nats-server, and write tls://…"
                )
        if beyond and settings.seed_file is None:
            raise StartupError(
                f"{SEED_FILE} is missing: {beyond[0]} is not on this machine, and who may speak"
                " there must have a key."
            )
        secure = any(urlsplit(url).scheme == "tls" for url in settings.url)
        seed_file = settings.seed_file
        return cls(
            settings.url,
            _context(settings.ca_file) if secure or settings.ca_file else None,
            None if seed_file is None else UserKey.read(seed_file, SEED_FILE),
        )


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise StartupError(
            f"{CA_FILE}: {ca_file} holds no certificates in PEM that can be used: {error}"
        ) from error
