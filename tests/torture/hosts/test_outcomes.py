"""The verdict of many hosts tells what became of each policy, and what was never tried."""

from tests.torture.hosts.oracle import LOSE, RETRY, WAIT
from tests.torture.hosts.outcomes import EXPECTED, NEVER, Outcome, Outcomes


def test_what_became_of_runs_is_told_for_each_policy() -> None:
    outcomes = Outcomes()
    outcomes.count(LOSE, Outcome.GIVEN_UP)
    outcomes.count(LOSE, Outcome.GIVEN_UP)
    outcomes.count(RETRY, Outcome.BEGUN_AGAIN, 3)
    told = {line.split("  ")[-1]: line.split()[:3] for line in outcomes.report()}
    assert told["on_unreachable"] == [WAIT, LOSE, RETRY]
    assert told[Outcome.GIVEN_UP.value] == ["0", "2", "0"]
    assert told[Outcome.BEGUN_AGAIN.value] == ["0", "0", "3"]


def test_what_never_came_to_pass_is_said() -> None:
    outcomes = Outcomes()
    everything = [(policy, one) for policy, expected in EXPECTED.items() for one in expected]
    for policy, outcome in everything:
        assert f"{NEVER}{policy}: {outcome.value}" in outcomes.report()
        outcomes.count(policy, outcome)
        assert f"{NEVER}{policy}: {outcome.value}" not in outcomes.report()
    assert not any(NEVER in line for line in outcomes.report())
