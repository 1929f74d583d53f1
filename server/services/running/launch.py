"""How scripts are started."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from server.definition import Options, text_of
from server.keeper.protocol import KeeperRefusedError, StartRequest
from server.keeper.records import Limits
from server.models import Run
from server.services.running.users import is_own
from server.settings.groups import (
    NoNewPrivileges,
    OutputSettings,
    PrivilegeSettings,
    RunSettings,
)

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables that scripts get as the server has them, unless they are empty."""

PERSONAL = frozenset({"HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"})
"""Those of a user: a run as another one does not get them of the server's."""

DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONUNBUFFERED": "1",  # or Python holds back what it writes to a pipe
    "TERM": "xterm",  # without it, or with `dumb`, `clear` and `tput` fail
    "LANG": "C.UTF-8",
}


NO_SECRETS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """Whom runs act as, and what they may.

    `user` is whom a run is started as that names nobody, `users` those that it may name; None is
    the server's own user. `own_keeper`: the keeper is of that user as well.
    """

    user: str | None = None
    users: frozenset[str] = frozenset()
    own_keeper: bool = True
    no_new_privileges: NoNewPrivileges = "never"
    umask: int | None = None
    oom_score_adj: int = 0

    @classmethod
    def of(cls, settings: PrivilegeSettings) -> "Privileges":
        """Return what the settings say."""
        return cls(
            user=settings.run_as,
            users=frozenset(settings.run_as_users),
            own_keeper=settings.keeper_directory is None,
            no_new_privileges=settings.no_new_privileges,
            umask=settings.run_umask,
            oom_score_adj=settings.run_oom_score_adj,
        )

    def user_of(self, run_as: str | None) -> str | None:
        """Return whom to start a run as that names this user.

        Raises:
            KeeperRefusedError: it may not be named (any more).
        """
        if run_as is not None and run_as not in self.users:
            raise KeeperRefusedError(
                f"it is to run as {run_as!r}, who is not one of TAILRUN_RUN_AS_USERS"
            )
        user = run_as or self.user
        return None if user is None or (self.own_keeper and is_own(user)) else user

    def forbids_new(self, user: str | None) -> bool:
        """Return whether no program of a run as this user gains rights."""
        return self.no_new_privileges == "always" or (
            self.no_new_privileges == "auto" and user is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How scripts are started, and the bounds of each; `directory` None is the user's home."""

    shell: str
    directory: Path | None
    environment: Mapping[str, str]
    limits: Limits
    passed: frozenset[str] = frozenset()
    privileges: Privileges = field(default_factory=Privileges)

    @classmethod
    def of(
        cls,
        runs: RunSettings,
        output: OutputSettings,
        privileges: PrivilegeSettings,
        environment: Mapping[str, str],
    ) -> "Launch":
        """Return how the settings have scripts started; `environment` is the server's own."""
        return cls(
            shell=runs.shell,
            directory=runs.working_directory,
            environment=script_environment(environment, runs.pass_environment),
            limits=Limits(
                timeout_seconds=runs.run_timeout_seconds,
                max_output_bytes=output.max_output_bytes,
                min_free_bytes=output.min_free_bytes,
                grace_seconds=runs.stop_grace_seconds,
                output_policy=output.output_policy,
                tail_bytes=output.output_tail_bytes,
                max_open_files=runs.max_open_files,
                max_processes=runs.max_processes,
                max_run_memory_bytes=runs.max_run_memory_bytes,
            ),
            passed=frozenset(runs.pass_environment),
            privileges=Privileges.of(privileges),
        )

    def request(
        self,
        run: Run,
        secrets: Mapping[str, str] = NO_SECRETS,
        hook_body: bytes | None = None,
        leased_at: float | None = None,
    ) -> StartRequest:
        """Return what the keeper is asked for to start a run with these values of its secrets.

        `leased_at` is that of the StartRequest.

        Raises:
            KeeperRefusedError: it is to run as a user that it may not, or a secret is gone.
        """
        _check_secrets(run.options, secrets)
        user = self.privileges.user_of(run.run_as)
        home = str(Path.home()) if user is None else ""
        usual = home if self.directory is None else str(self.directory)
        return StartRequest(
            run_id=str(run.id),
            script=run.script,
            shell=self.shell,
            directory=run.options.working_directory or usual,
            environment={**self._environment(user), **_said(run), **secrets, **_marks(run)},
            label=str(run.command_id),
            user=user,
            no_new_privileges=self.privileges.forbids_new(user),
            umask=self.privileges.umask,
            oom_score_adj=self.privileges.oom_score_adj,
            hook_body=None if hook_body is None else b64encode(hook_body).decode(),
            leased_at=leased_at,
            **asdict(limits_of(run.options, self.limits)),
        )

    def _environment(self, user: str | None) -> Mapping[str, str]:
        if user is None:
            return self.environment
        kept = self.environment.keys() - (PERSONAL - self.passed)
        return {name: self.environment[name] for name in kept}


def limits_of(options: Options, limits: Limits) -> Limits:
    """Return the bounds of a command's runs: its own, within the server's `limits`."""
    said: dict[str, Any] = {
        "timeout_seconds": _least(options.timeout_seconds, limits.timeout_seconds),
        "max_output_bytes": _least(options.max_output_bytes, limits.max_output_bytes),
        "grace_seconds": options.grace_seconds,
        "output_policy": options.output_policy,
    }
    return replace(limits, **{name: value for name, value in said.items() if value is not None})


def _least(own: float | None, server: float | None) -> float | None:
    return own if server is None or own is None else min(own, server)


def _said(run: Run) -> dict[str, str]:
    """Return what a run's command and its start say of its environment; a value counts more."""
    if not run.options.environment and not run.parameters:
        return {}
    values = {name: text_of(value) for name, value in run.parameters.items()}
    return {**run.options.environment, **values}


def _marks(run: Run) -> dict[str, str]:
    """Return what each run is told of itself; the keeper adds its id and its directory."""
    return {
        "TAILRUN_COMMAND_ID": str(run.command_id),
        "TAILRUN_ATTEMPT": str(run.attempt),
        "TAILRUN_CAUSE": "hand" if run.cause is None else run.cause.kind.value,
    }


def _check_secrets(options: Options, secrets: Mapping[str, str]) -> None:
    for one in options.parameters:
        if one.required and one.name in options.secrets and one.name not in secrets:
            raise KeeperRefusedError(f"the value of its secret {one.name} is not there any more")


def script_environment(environment: Mapping[str, str], further: Iterable[str]) -> dict[str, str]:
    """Return what scripts get of the server's environment: a few named variables, no secrets.

    `further` names variables that they get as well, empty ones too.
    """
    inherited = {name: environment[name] for name in INHERITED if environment.get(name)}
    passed = {name: environment[name] for name in further if name in environment}
    return {**DEFAULTS, **inherited, **passed}
