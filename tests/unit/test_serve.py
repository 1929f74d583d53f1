"""What a server is asked for at its start, before it begins."""

import re
from typing import Any

import pytest

from server.errors import StartupError
from server.serve import check_worker
from server.settings.groups import NatsSettings, RunSettings

HERE = NatsSettings(url=("nats://127.0.0.1",))
ALONE = NatsSettings()


@pytest.mark.parametrize(
    ("said", "nats", "refusal"),
    [
        (
            {"worker_labels": ("arch=arm64",)},
            HERE,
            "TAILRUN_WORKER_LABELS has no use without TAILRUN_WORKER_POOLS",
        ),
        (
            {"local_worker": False, "worker_pools": ("build",)},
            HERE,
            "TAILRUN_WORKER_POOLS has no use with TAILRUN_LOCAL_WORKER=0",
        ),
        ({"local_worker": False}, ALONE, "TAILRUN_LOCAL_WORKER=0 needs TAILRUN_NATS_URL"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(
    said: dict[str, Any], nats: NatsSettings, refusal: str
) -> None:
    with pytest.raises(StartupError, match=re.escape(refusal)):
        check_worker(RunSettings(**said), nats)


@pytest.mark.parametrize(
    ("said", "nats"),
    [
        ({}, ALONE),
        ({"local_worker": False}, HERE),
        ({"worker_pools": ("build",), "worker_labels": ("arch=arm64",)}, ALONE),
    ],
)
def test_what_fits_together_is_taken(said: dict[str, Any], nats: NatsSettings) -> None:
    check_worker(RunSettings(**said), nats)
