"""How scripts are started."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from server.keeper.protocol import StartRequest
from server.keeper.spool import Limits
from server.models import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How scripts are started, and the bounds of each."""

    shell: str
    directory: Path
    environment: Mapping[str, str]
    limits: Limits

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
