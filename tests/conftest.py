"""What all tests share."""

from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.support import waiting

pytest_plugins = ["tests.support.postgres", "tests.support.outage"]

# Each example may take as long as it takes: this machine may be busy with something else.
settings.register_profile("tailrun", deadline=None)
settings.load_profile("tailrun")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tell how long a test, with its fixtures, may wait for something."""
    marker = item.get_closest_marker("timeout")
    seconds = marker.args[0] if marker else item.config.getini("timeout")
    waiting.begin(float(seconds))
    return (yield)
