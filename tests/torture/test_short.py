"""A short torture, as part of the ordinary tests; `make torture` runs a long one."""

from pathlib import Path

import pytest

from tests.torture.hosts.torture import HostsTorture
from tests.torture.tally import Tally
from tests.torture.torture import KINDS, Torture

SECONDS = 12.0
SECONDS_OF_HOSTS = 6.0
SEED = 1


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
async def test_runs_survive_a_short_torture(tmp_path: Path) -> None:
    tally = Tally()
    await Torture(tmp_path, SEED, frozenset(KINDS), tally).run(SECONDS)
    assert tally.violations == []
    assert tally.counts["kills of the server"] > 0
    assert tally.counts["lines"] > 1000
    assert tally.counts["victims"] > 0
    assert tally.counts["runs with turns"] > 0
    assert tally.counts["chains"] > 0
    assert tally.counts["notifications heard"] > 0
    assert tally.counts["due times: started"] > 0
    assert tally.counts["due times: skipped_overlap"] > 0


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
async def test_runs_survive_a_short_torture_of_many_hosts(tmp_path: Path) -> None:
    tally = Tally()
    await HostsTorture(tmp_path, SEED, tally, workers=2, brief=True).run(SECONDS_OF_HOSTS)
    assert tally.violations == []
    assert tally.counts["rounds"] > 0
    assert tally.counts["lines"] > 1000
    assert tally.counts["lines told to viewers"] > 0
