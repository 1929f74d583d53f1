"""The states of a run in the keeper, and which stop of several counts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.records import StopRecord
from server.keeper.run.states import STEPS, State
from server.keeper.run.stopping import due_at, sharpened

stops = st.builds(
    StopRecord,
    cause=st.sampled_from(["stop", "timeout"]),
    signal=st.sampled_from(["SIGTERM", "SIGINT", "SIGKILL"]),
    grace_seconds=st.integers(0, 100).map(float),
    requested_at=st.integers(0, 100).map(float),
)


def test_a_run_steps_forwards_alone_and_every_state_leads_to_the_end() -> None:
    assert set(STEPS) == set(State)
    for state, following in STEPS.items():
        assert all(state.value < later.value for later in following)
        assert (State.ENDED in following) is (state is not State.ENDED)
    assert all(later in STEPS[state] for state, later in pairwise(State))


@given(stops, stops)
def test_a_stop_under_way_keeps_its_cause_and_never_takes_longer(
    first: StopRecord, second: StopRecord
) -> None:
    stop = sharpened(first, second)
    if stop is None:
        assert second.signal == first.signal
        assert due_at(second) >= due_at(first)
    else:
        assert (stop.cause, stop.signal) == (first.cause, second.signal)
        soonest = min(due_at(first), due_at(second))
        assert due_at(stop) <= max(soonest, second.requested_at) + 1e-6  # not in the past


def test_the_first_stop_is_carried_out_as_it_is() -> None:
    stop = StopRecord("stop", "SIGTERM", 5.0, 1.0)
    assert sharpened(None, stop) is stop


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_a_kill_leaves_no_grace(signal: str) -> None:
    assert due_at(StopRecord("stop", signal, 5.0, 1.0)) == (1.0 if signal == "SIGKILL" else 6.0)
