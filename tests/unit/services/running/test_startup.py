"""The start with and without the database."""

from typing import Any, cast

import pytest

from server.errors import DatabaseUnavailableError, StartupError
from server.services.running import startup as module
from server.services.running.startup import Startup
from server.services.tasks import Tasks
from tests.support.waiting import until

AWAY = DatabaseUnavailableError("The database cannot be reached")


class Parts:
    """What a start needs: `failures` are raised by migrations, one after the other."""

    def __init__(self, *failures: Exception, spools: bool, others: int = 0, left: int = 0) -> None:
        self.failures = list(failures)
        self.others, self.left = others, left
        self.spools = spools
        self.calls: list[str] = []
        self.tasks = Tasks()

    async def migrate(self) -> None:
        self.calls.append("migrate")
        if self.failures:
            raise self.failures.pop(0)

    async def open(self) -> None:
        self.calls.append("open")

    async def close(self) -> None:
        self.calls.append("close")

    async def elsewhere(self) -> int:
        self.calls.append("elsewhere")
        return self.others

    async def recover(self, *_: object) -> None:
        self.calls.append("recover")

    def show(self) -> bool:
        self.calls.append("show")
        return self.spools

    async def active(self) -> list[str]:
        self.calls.append("active")
        return ["a run"] * self.left

    async def present(self) -> None:
        self.calls.append("present")

    def startup(self, *, runs_here: bool = True, meets: bool = False) -> Startup:
        parts = cast("Any", self)
        return Startup(
            migrate=self.migrate,
            own=parts,
            ledger=parts,
            elsewhere=self.elsewhere,
            present=self.present if meets else None,
            database=parts,
            recovery=parts if runs_here else None,
            tasks=self.tasks,
        )


RECOVERED = ["migrate", "open", "elsewhere", "recover", "close", "open"]


async def test_runs_are_recovered_before_the_database_is_opened_for_all() -> None:
    parts = Parts(spools=False)
    await parts.startup().run()
    assert parts.calls == RECOVERED


async def test_other_hosts_know_that_it_is_there_before_its_runs_are_recovered() -> None:
    """Else they give up runs that go on, while it takes its time over others."""
    parts = Parts(spools=False)
    await parts.startup(meets=True).run()
    assert parts.calls == ["migrate", "open", "elsewhere", "present", "recover", "close", "open"]


async def test_active_runs_of_other_hosts_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    await Parts(spools=False).startup().run()
    assert "another host identity" not in caplog.text
    await Parts(spools=False, others=2).startup().run()
    assert "runs of another host identity: 2; they stay as they are" in caplog.text


async def test_where_nothing_runs_what_was_left_is_told_and_not_taken_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = Parts(spools=True, left=2)
    await parts.startup(runs_here=False).run()
    assert parts.calls == ["migrate", "open", "elsewhere", "active", "close", "open"]
    assert "runs that this server has had itself: 2; they stay as they are" in caplog.text
    with pytest.raises(StartupError):
        await Parts(AWAY, spools=True).startup(runs_here=False).run()


async def test_without_the_database_spools_are_shown_and_recovered_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DATABASE_RETRY_SECONDS", 0)
    parts = Parts(AWAY, AWAY, OSError(24, "Too many open files"), spools=True)
    await parts.startup().run()
    assert parts.calls == ["migrate", "show"]
    await until(lambda: len(parts.calls) == 4 + len(RECOVERED))
    await parts.tasks.cancel()
    assert parts.calls == ["migrate", "show", "migrate", "migrate", *RECOVERED]
    assert not parts.tasks.failed.is_set()


async def test_a_database_that_is_too_new_once_it_is_there_ends_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "DATABASE_RETRY_SECONDS", 0)
    parts = Parts(AWAY, StartupError("The schema is newer."), spools=True)
    await parts.startup().run()
    await until(parts.tasks.failed.is_set)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (AWAY, "The database cannot be reached. Start it, or correct TAILRUN_DATABASE_URL."),
        (DatabaseUnavailableError("Is it up?"), "Is it up? Start it, or correct "),
        (OSError(24, "Too many open files"), "The runs cannot be recovered: "),
    ],
)
async def test_where_there_is_nothing_to_show_the_start_is_refused(
    failure: Exception, said: str
) -> None:
    with pytest.raises(StartupError) as refused:
        await Parts(failure, spools=False).startup().run()
    assert str(refused.value).startswith(said)
