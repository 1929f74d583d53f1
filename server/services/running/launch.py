"""How scripts are started."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from server.keeper.protocol import StartRequest
from server.keeper.records import Limits
from server.models import Run
from server.settings.groups import OutputSettings, RunSettings

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables that scripts get as the server has them, unless they are empty."""

DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONUNBUFFERED": "1",  # or Python holds back what it writes to a pipe
    "TERM": "xterm",  # without it, or with `dumb`, `clear` and `tput` fail
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How scripts are started, and the bounds of each."""

    shell: str
    directory: Path
    environment: Mapping[str, str]
    limits: Limits

    @classmethod
    def of(
        cls, runs: RunSettings, output: OutputSettings, environment: Mapping[str, str]
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
        )

    def request(self, run: Run) -> StartRequest:
        """Return what the keeper is asked for to start a run."""
        return StartRequest(
            run_id=str(run.id),
            script=run.script,
            shell=self.shell,
            directory=str(self.directory),
            environment={**self.environment, "TAILRUN_COMMAND_ID": str(run.command_id)},
            label=str(run.command_id),
            **asdict(self.limits),
        )


def script_environment(environment: Mapping[str, str], further: Iterable[str]) -> dict[str, str]:
    """Return what scripts get of the server's environment: a few named variables, no secrets.

    `further` names variables that they get as well, empty ones too.
    """
    inherited = {name: environment[name] for name in INHERITED if environment.get(name)}
    passed = {name: environment[name] for name in further if name in environment}
    return {**DEFAULTS, **inherited, **passed}
