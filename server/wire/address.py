"""Where the engine is, how it is known to be it, and who we are for it."""

import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from server.errors import StartupError
from server.settings.groups import NatsSettings
from server.settings.values import LOOPBACK_HOSTS
from server.wire.enrolment import ENROLMENT_FILE, SEED_FILE, Enrolment
from server.wire.keys import UserKey

URL, SEED_SETTING, CA_FILE = "TAILRUN_NATS_URL", "TAILRUN_NATS_SEED_FILE", "TAILRUN_NATS_CA_FILE"


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
    def of(cls, settings: NatsSettings, enrolment: Enrolment | None = None) -> "Address":
        """Return what the settings say; where they are silent, a worker's enrolment.

        Raises:
            StartupError: they do not fit together, or a file cannot be used.
        """
        urls = settings.url or (() if enrolment is None else enrolment.nats_url)
        assert urls, "without an engine there is no address"
        for url in urls:
            if urlsplit(url).hostname not in LOOPBACK_HOSTS and urlsplit(url).scheme != "tls":
                raise StartupError(
                    f"{URL}: {url} is not on this machine, and without TLS everybody between could"
                    " have scripts run. Configure tls in nats-server, and write tls://…"
                )
        secure = any(urlsplit(url).scheme == "tls" for url in urls)
        authorities = None if enrolment is None else enrolment.nats_ca
        seed_file = settings.seed_file
        return cls(
            urls,
            _context(settings.ca_file, authorities) if secure or settings.ca_file else None,
            None if seed_file is None else UserKey.read(seed_file, SEED_SETTING),
        )

    def keyed(self, directory: Path) -> "Address":
        """Return it with the key of a state directory, which is made, unless it has another."""
        if self.key is not None:
            return self
        return replace(self, key=UserKey.make(directory / SEED_FILE))


def _context(ca_file: Path | None, authorities: str | None) -> ssl.SSLContext:
    try:
        if ca_file is None:
            return ssl.create_default_context(cadata=authorities)
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        named = ENROLMENT_FILE if ca_file is None else f"{CA_FILE}: {ca_file}"
        raise StartupError(
            f"{named} holds no certificates in PEM that can be used: {error}"
        ) from error
