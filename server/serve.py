"""The role of a server: what is asked of it at the start, where it listens, what it says then."""

import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from server.definition import DEFAULT_POOL
from server.errors import StartupError
from server.handlers.http import keys
from server.handlers.http.certificate import certificate_of
from server.handlers.http.listening import auth_at, is_local, listening
from server.process import entry
from server.resources import VERSION
from server.service import service
from server.services.running.users import check_users, tell_of_root
from server.settings.access import Auth
from server.settings.groups import NatsSettings, RunSettings, Settings
from server.state import identity_in

logger = logging.getLogger(__name__)


def serve(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it, or it cannot go on; return the exit code."""
    return entry.run(sys.argv[1:] if arguments is None else arguments, _serving)


@asynccontextmanager
async def _serving(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[entry.Started]:
    auth_at(settings.http, settings.access)
    check_worker(settings.runs, settings.nats)
    check_users(
        settings.privileges,
        embedded=settings.database.url is None,
        on_loopback=is_local(settings.http.host),
        upgraded=identity_in(settings.state_dir) is not None,
    )
    certificate = certificate_of(settings.access)
    async with (
        service(settings, environment) as (app, tasks),
        listening(app, settings.http, settings.state_dir, certificate) as at,
    ):
        if certificate is not None:
            tasks.start(certificate.watch(), "certificate")
        _announce(settings, app[keys.IDENTITY].auth, at)
        tell_of_root(settings.privileges)
        yield entry.Started(
            f"Tailrun {VERSION} serves {at}/ (documentation: {at}/swagger/index.html,"
            f" state: {settings.state_dir})\n",
            tasks.failed,
        )


def check_worker(runs: RunSettings, nats: NatsSettings) -> None:
    """Check that what is said of the worker inside the server fits together.

    Raises:
        StartupError: it does not.
    """
    if runs.worker_labels and not runs.worker_pools:
        raise StartupError(
            f"TAILRUN_WORKER_LABELS has no use without TAILRUN_WORKER_POOLS: name the pools too of"
            f" which this server is, such as {DEFAULT_POOL}, where commands wait that require"
            " labels alone."
        )
    if runs.local_worker:
        return
    if runs.worker_pools:
        raise StartupError(
            "TAILRUN_WORKER_POOLS has no use with TAILRUN_LOCAL_WORKER=0: this server runs nothing"
            " itself. Leave one of them away."
        )
    if not nats.url:
        raise StartupError(
            "TAILRUN_LOCAL_WORKER=0 needs TAILRUN_NATS_URL: this server runs nothing itself, and"
            " meets those who do over NATS."
        )


def _announce(settings: Settings, auth: Auth, at: str) -> None:
    """Say where everybody is let in."""
    if settings.http.insecure_no_auth:
        logger.warning(
            "--insecure-no-auth (TAILRUN_INSECURE_NO_AUTH) is replaced by TAILRUN_AUTH=off, and the"
            " next version will not know it"
        )
    if auth == "off":
        logger.warning(
            "authentication is off (TAILRUN_AUTH): whoever reaches %s port %d is an admin",
            settings.http.host,
            urlsplit(at).port,
        )
