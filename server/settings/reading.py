"""Reads the settings, once, from the environment and the command line."""

import argparse
import dataclasses
import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from server.errors import StartupError
from server.files import read_line
from server.settings.access import AccessSettings, OidcSettings
from server.settings.groups import DatabaseSettings, HttpSettings, Settings
from server.settings.values import Parser, nonempty

PREFIX = "TAILRUN_"
RUN_VARIABLES = frozenset(
    {
        *("TAILRUN_RUN_ID", "TAILRUN_RUN_DIRECTORY", "TAILRUN_COMMAND_ID"),
        *("TAILRUN_ATTEMPT", "TAILRUN_CAUSE", "TAILRUN_HOOK_BODY"),
    }
)
"""Set for every run; not settings, yet present when a run starts a Tailrun of its own."""

CLIENT_TOKEN = "TAILRUN_TOKEN"  # noqa: S105  its name
CLIENT_VARIABLES = frozenset({"TAILRUN_URL", CLIENT_TOKEN})
"""What the words that speak to a server read; a server that is started beside them does not."""

DATABASE_URL = "database_url"
SECRET = re.compile(r"://[^/@]*:[^@]*@|password\s*=", re.IGNORECASE)
"""What a URL or a connection string with a password in it looks like."""


class Setting(NamedTuple):
    """One setting, as its users know it."""

    name: str
    """`max_viewers`: the variable TAILRUN_MAX_VIEWERS, the option `--max-viewers`."""

    group: str | None
    """The field of Settings that it is in; None: it is a field of Settings itself."""

    field: str
    default: object
    shown: str
    """The default as the README's table and `--help` show it."""

    parse: Parser
    description: str
    secret: bool
    """Whether it is a secret, or may hold one: see `groups._secret`."""

    @property
    def variable(self) -> str:
        """The environment variable it is read from."""
        return PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        """The option of the command line that wins over the variable."""
        return "--" + self.name.replace("_", "-")


def all_settings() -> Iterator[Setting]:
    """Iterate over all settings, in the order of the README's table."""
    defaults = Settings()
    for one in dataclasses.fields(Settings):
        value = getattr(defaults, one.name)
        if "parse" in one.metadata:
            yield _described(one, value, group=None, prefix="")
            continue
        for inner in dataclasses.fields(value):
            found = getattr(value, inner.name)
            yield _described(inner, found, group=one.name, prefix=one.metadata["prefix"])


def _described(
    one: dataclasses.Field[Any], default: object, *, group: str | None, prefix: str
) -> Setting:
    return Setting(
        name=prefix + one.name,
        group=group,
        field=one.name,
        default=default,
        shown=one.metadata["none"] if default is None else show(default),
        parse=one.metadata["parse"],
        description=one.metadata["description"],
        secret=one.metadata.get("secret", False),
    )


def show(value: object) -> str:
    """Write a default the way the README's table and `--help` show it."""
    if value in ((), ""):
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings; an option on the command line wins over its variable.

    Raises:
        StartupError: a setting is unknown or wrong; the message names it and what it takes.
    """
    settings = [*all_settings()]
    _refuse_unknown_variables([one.variable for one in settings], environment)
    given = vars(_option_parser(settings).parse_args(arguments))
    for one in settings:
        _refuse_secret(one, given[one.name])
    values: defaultdict[str | None, dict[str, Any]] = defaultdict(dict)
    for one in settings:
        source, text = one.option, given[one.name]
        if text is None:
            source, text = one.variable, environment.get(one.variable)
        if text is not None:
            values[one.group][one.field] = _parsed(one, source, text)
    alone = values.pop(None, {})
    defaults = Settings()
    groups = {
        name: dataclasses.replace(getattr(defaults, name), **inner)
        for name, inner in values.items()
        if name is not None
    }
    read = Settings(**alone, **groups)
    for one in settings:
        if one.secret:
            read = _with_secret(read, one)
    _check_oidc(read.oidc)
    return dataclasses.replace(read, access=_with_auth(read.access, read.http))


def _parsed(setting: Setting, source: str, text: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        found = "not one" if setting.secret else repr(text)
        raise StartupError(f"{source} is {found}; it takes {error}.") from None


def _refuse_secret(setting: Setting, given: str | None) -> None:
    """Refuse a secret on the command line, which every user of the host can read (ps(1))."""
    if given is None or not setting.secret:
        return
    is_url = setting.name == DATABASE_URL  # a secret only where there is a password in it
    if not is_url or SECRET.search(given):
        has = "has a password in it" if is_url else "is a secret"
        raise StartupError(
            f"{setting.option} {has}, and every user of this host can read command"
            f" lines. Set {setting.variable}, or name a file with {setting.option}-file."
        )


def _with_secret(settings: Settings, setting: Setting) -> Settings:
    """Return the settings with the secret that its file holds, if one is named."""
    assert setting.group is not None
    group = getattr(settings, setting.group)
    path, variable = getattr(group, f"{setting.field}_file"), f"{setting.variable}_FILE"
    if path is None:
        return settings
    if getattr(group, setting.field) is not None:
        raise StartupError(f"{setting.variable} and {variable} are both set. Unset one of them.")
    is_url = setting.name == DATABASE_URL
    expected = "postgresql://user:password@host/name" if is_url else "the secret, and nothing else,"
    text = _first_line(path, variable, expected, clean=str.strip)
    value = _parsed(setting, f"{variable}: its first line", text)
    return dataclasses.replace(
        settings, **{setting.group: dataclasses.replace(group, **{setting.field: value})}
    )


def _with_auth(access: AccessSettings, http: HttpSettings) -> AccessSettings:
    """Return the settings with what --insecure-no-auth, the former name, means."""
    if not http.insecure_no_auth:
        return access
    if access.auth == "required":
        raise StartupError(
            "TAILRUN_AUTH is required, and --insecure-no-auth (TAILRUN_INSECURE_NO_AUTH) lets"
            " everybody in. Leave one of them out."
        )
    return dataclasses.replace(access, auth="off")


def _check_oidc(oidc: OidcSettings) -> None:
    """Refuse settings of OpenID Connect that would do nothing."""
    if oidc.issuer is not None and oidc.client_id is None:
        raise StartupError(
            "TAILRUN_OIDC_ISSUER is set, and TAILRUN_OIDC_CLIENT_ID is not. Register Tailrun at the"
            " provider, and set what it is called there."
        )
    if oidc.issuer is None and oidc != OidcSettings():
        raise StartupError(
            "Settings of OpenID Connect are given, and TAILRUN_OIDC_ISSUER is not. Set it to the"
            " provider's URL, or leave out the other settings that begin with TAILRUN_OIDC."
        )


def database_password(database: DatabaseSettings) -> str | None:
    """Return the password that the file holds, if one is named.

    Raises:
        StartupError: it cannot be read, or holds none.
    """
    if database.password_file is None:
        return None
    path = database.password_file
    return _first_line(path, "TAILRUN_DATABASE_PASSWORD_FILE", "the password, and nothing else,")


def _first_line(path: Path, setting: str, expected: str, clean: Callable[[str], str] = str) -> str:
    try:
        return nonempty(clean(read_line(path)))
    except OSError as error:
        raise StartupError(
            f"{setting} names {path}, which cannot be read: {error.strerror}."
            " Make it readable, or name another."
        ) from error
    except ValueError:
        raise StartupError(
            f"{setting} names {path}, whose first line is empty or has control characters."
            f" Write {expected} there."
        ) from None


def _refuse_unknown_variables(known: Sequence[str], environment: Mapping[str, str]) -> None:
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in {
            *known,
            *RUN_VARIABLES,
            *CLIENT_VARIABLES,
        }:
            close = difflib.get_close_matches(variable, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise StartupError(
                f"{variable} is no setting of Tailrun.{hint} `tailrun --help` lists them."
            )


def _option_parser(settings: Sequence[Setting]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tailrun",
        usage="tailrun [serve | backup FILE | restore FILE | doctor] [--OPTION VALUE ...]\n"
        "       tailrun run COMMAND [-p NAME=VALUE ...]\n"
        "       tailrun tail | show | stop RUN | COMMAND\n"
        "       tailrun ls | ps | schedules\n"
        "       tailrun pause | resume | hooks COMMAND\n"
        "       tailrun workers [drain | resume | remove NAME | token]\n"
        "       tailrun abandon RUN\n"
        "       tailrun token create | list | revoke …\n"
        "       tailrun sign-in\n"
        "       tailrun keeper DIRECTORY\n"
        "       tailrun worker [enroll URL --token TOKEN]\n"
        "       tailrun nats-config [--file FILE] [--reload PID_FILE] [--watch]\n"
        "       tailrun apply FILE | DIRECTORY ...\n"
        "       tailrun export\n"
        "       tailrun completion bash | zsh\n"
        "       tailrun --version",
        description="Stores shell commands, runs them, and lets anyone watch a run live. It serves,"
        " unless its first argument is another word; `tailrun run --help` and the like say what"
        " those of the other lines take.",
        epilog="Each option is also an environment variable: --max-viewers is TAILRUN_MAX_VIEWERS.",
        allow_abbrev=False,
    )
    for one in settings:
        switch = isinstance(one.default, bool)  # needs no value
        parser.add_argument(
            one.option,
            help=f"{one.description} (default: {one.shown})".replace("%", "%%"),
            metavar="true|false" if switch else one.name.upper(),
            nargs="?" if switch else None,
            const="true" if switch else None,
        )
    return parser
