"""The command line of `tailrun doctor`: how safe this Tailrun is, a line for each thing."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module

import orjson

from server.access import Token
from server.beside import beside_server
from server.errors import TailrunError
from server.process.environment import take_environment
from server.process.outlet import Outlet
from server.process.words import begin, told_in_a_line
from server.repositories.access.principals import PrincipalRepository
from server.repositories.access.tokens import TokenRepository
from server.services.doctor import exposure, files, provider, runs, secrets, tokens
from server.services.doctor.findings import Finding, Level
from server.services.running.users import runs_as_others
from server.settings.groups import Settings
from server.settings.reading import SECRET, all_settings
from server.state import OWN_NAMES, PASSED

AS_JSON = "--json"
TOKENS_A_PAGE = 500
ANYTHING = re.compile(".")


def examine(arguments: Sequence[str]) -> int:
    """Look at everything, and tell it; return 1 where there is a problem."""
    given = dict(os.environ)

    def work(errors: Outlet) -> int:
        settings = begin([one for one in arguments if one != AS_JSON], errors, level="error")
        take_environment(settings)
        found = asyncio.run(_examine(settings, given))
        if AS_JSON in arguments:
            sys.stdout.write(orjson.dumps([asdict(one) for one in found]).decode() + "\n")
        else:
            sys.stdout.writelines(f"{one}\n" for one in found)
        return int(any(one.level is Level.PROBLEM for one in found))

    return told_in_a_line(work, "The examination failed")


async def _examine(settings: Settings, given: Mapping[str, str]) -> list[Finding]:
    return [
        *_at_rest(settings, given),
        *[one async for one in _answering(settings)],
    ]


def _at_rest(settings: Settings, given: Mapping[str, str]) -> Iterator[Finding]:
    """Look at what there is without a server."""
    secret = [one for one in all_settings() if one.secret]
    passed = PASSED if runs_as_others(settings.privileges) else ()
    yield from files.state_directory(settings.state_dir, OWN_NAMES, passed)
    yield from files.secret_files(
        {
            "TAILRUN_DATABASE_PASSWORD_FILE": settings.database.password_file,
            **{
                f"{one.variable}_FILE": getattr(getattr(settings, one.group), f"{one.field}_file")
                for one in secret
                if one.group is not None
            },
        }
    )
    yield from secrets.environment(
        given,
        {one.variable: ANYTHING for one in secret}
        | {"TAILRUN_DATABASE_URL": SECRET, "PGPASSWORD": ANYTHING},
        settings.runs.pass_environment,
    )
    yield from secrets.command_lines()
    uid = os.geteuid()
    yield from runs.user_of_runs(
        uid,
        files.name_of(uid),
        run_as=settings.privileges.run_as,
        run_as_users=settings.privileges.run_as_users,
        local_users=settings.access.local_users,
    )
    yield from exposure.address(settings.http, settings.access)
    yield from exposure.authentication(settings.http, settings.access)
    yield from exposure.proxies(settings.access)
    yield from exposure.tls(settings.access)


async def _answering(settings: Settings) -> AsyncIterator[Finding]:
    """Look at what has to be asked: the provider, the database."""
    if settings.oidc.issuer is not None:
        # Imported where there is one to ask, and not before.
        module = import_module("server.services.access.oidc.provider")
        yield await provider.answers(module.Provider(settings.oidc).describe)
        for finding in provider.grants(settings.oidc):
            yield finding
    try:
        found, seen = await _all_tokens(settings)
    except TailrunError as error:
        text = f"not looked at, as the database does not answer: {error}"
        yield Finding(tokens.TOKENS, Level.WARNING, text)
        return
    for finding in tokens.tokens(found, seen, datetime.now(UTC)):
        yield finding


async def _all_tokens(settings: Settings) -> tuple[list[Token], Mapping[str, datetime]]:
    """Return all tokens, and when who signs in at a provider did so last."""
    async with beside_server(settings) as database:
        await database.open()
        repository, found, cursor = TokenRepository(database), list[Token](), None
        while True:
            page = await repository.list(limit=TOKENS_A_PAGE, cursor=cursor)
            found.extend(page.items)
            if (cursor := page.next) is None:
                return found, await PrincipalRepository(database).seen()
