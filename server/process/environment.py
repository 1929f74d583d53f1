"""The process's environment: what scripts may see of it, and what libpq finds in it."""

import os
from collections.abc import Mapping

from server.settings.groups import Settings
from server.settings.reading import CLIENT_TOKEN, all_settings, database_password

SECRETS = (*(one.variable for one in all_settings() if one.secret), CLIENT_TOKEN)
"""Removed at the start, as child processes inherit the environment."""


def take_environment(settings: Settings) -> Mapping[str, str]:
    """Return the original environment without secrets, and set this process's up for libpq.

    Raises:
        StartupError: the file that holds the password cannot be read.
    """
    for name in SECRETS:
        os.environ.pop(name, None)
    environment = dict(os.environ)
    password = database_password(settings.database)
    if settings.database.url is None:
        # The PG* variables are meant for another server than the embedded one.
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]
    elif password is not None:
        os.environ["PGPASSWORD"] = password
    return environment
