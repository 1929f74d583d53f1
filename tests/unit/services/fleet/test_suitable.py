"""Whether there is a worker for what waits."""

from dataclasses import dataclass

import pytest

from server.services.fleet.suitable import WORDS, Lack, lack


@dataclass(frozen=True)
class AWorker:
    state: str = "active"
    pools: tuple[str, ...] = ("build",)
    labels: tuple[str, ...] = ()
    draining: bool = False


ARM, GPU = "arch=arm64", "gpu=yes"


@pytest.mark.parametrize(
    ("workers", "requires", "told"),
    [
        ([], [], Lack.NO_WORKER),
        ([AWorker(pools=("docs",))], [], Lack.NO_WORKER),
        ([AWorker("removed")], [], Lack.NO_WORKER),
        ([AWorker()], [ARM], Lack.NO_LABELS),
        ([AWorker(labels=(ARM,)), AWorker(labels=(GPU,))], [ARM, GPU], Lack.NO_LABELS),
        ([AWorker(labels=(ARM,)), AWorker("removed", labels=(GPU,))], [GPU], Lack.NO_LABELS),
        ([AWorker("unreachable"), AWorker(pools=("docs",))], [], Lack.AWAY),
        ([AWorker("unreachable", labels=(ARM,)), AWorker()], [ARM], Lack.AWAY),
        ([AWorker("unreachable"), AWorker("draining", draining=True)], [], Lack.DRAINING),
        ([AWorker("unreachable"), AWorker("unreachable", draining=True)], [], Lack.DRAINING),
        ([AWorker("unreachable"), AWorker("draining", draining=True), AWorker()], [], None),
        ([AWorker(labels=(ARM, GPU))], [ARM], None),
    ],
)
def test_what_no_worker_can_have_is_told(
    workers: list[AWorker], requires: list[str], told: Lack | None
) -> None:
    assert lack("build", requires, workers) is told


def test_there_are_words_for_each() -> None:
    assert WORDS.keys() == {*Lack}
