"""What all tests share."""

import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import waiting

pytest_plugins = ["tests.support.postgres", "tests.support.outage", "tests.support.wires"]

TESTS = Path(__file__).parent
PREFIX = "tailrun-tests-"
KEPT_SECONDS = 86400.0

SLOWEST_FIRST = ("browser", "acceptance", "integration", "torture", "simulation", "unit")
"""Rooms of tests whose files take as long."""

# Each example may take as long as it takes: this machine may be busy with something else.
settings.register_profile("tailrun", deadline=None)
settings.load_profile("tailrun")

# A shell that starts this in the background has it ignore SIGINT, and nohup(1) SIGHUP, as would all
# that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have a directory for this session alone.

    What pytest has for all of a user's sessions is closed by each that starts: a PostgreSQL in it,
    which has a user of its own, could not go on.
    """
    if config.option.basetemp is None:
        for kept in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if time.time() - kept.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(kept, ignore_errors=True)
        config.option.basetemp = tempfile.mkdtemp(prefix=PREFIX)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the files first that take longest, so that in the end no processor waits for one."""
    longest: dict[Path, float] = {}
    for item in items:
        longest[item.path] = max(longest.get(item.path, 0), _seconds(item))

    def place(item: pytest.Item) -> tuple[float, int]:
        room = item.path.relative_to(TESTS).parts[0]
        return -longest[item.path], SLOWEST_FIRST.index(room)

    items.sort(key=place)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the directory only of a session that failed, for a day."""
    if exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(session.config.option.basetemp)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tell how long a test, with its fixtures, may wait for something."""
    waiting.begin(_seconds(item))
    return (yield)


@pytest.fixture(scope="module")
def unmeasured() -> Iterator[None]:
    """Have servers that a module's tests start run at their own pace: others cover their code.

    It takes a third of their time, and is lost for those that are killed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


def _seconds(item: pytest.Item) -> float:
    """Return how long a test may take."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))
