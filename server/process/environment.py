"""The process's environment: what scripts may have of it, and what libpq finds in it."""

import os
from collections.abc import Mapping

from server.settings.groups import Settings
from server.settings.reading import database_password

SECRETS = ("TAILRUN_DATABASE_URL",)
"""Whoever is started inherits the rest."""


def take_environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment as it was, without secrets, and change it for libpq.

    For a database that is named libpq finds all of it, and the password that a file holds; for the
    embedded one nothing, as what there may be is meant for another.

    Raises:
        StartupError: the file that holds the password cannot be read.
    """
    for name in SECRETS:
        os.environ.pop(name, None)
    environment = dict(os.environ)
    password = database_password(settings.database)
    if settings.database.url is None:
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]
    elif password is not None:
        os.environ["PGPASSWORD"] = password
    return environment
