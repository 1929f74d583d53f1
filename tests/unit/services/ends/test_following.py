"""What follows a run's end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from server.definition import (
    Cause,
    CauseKind,
    NewRun,
    Notify,
    OnUnreachable,
    Options,
    Retries,
)
from server.models import Run, RunState
from server.services.ends.following import Following, delay, following

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)
EVERYTHING = frozenset({"failed", "recovered", "succeeded"})


def run(state: RunState, *, exitcode: int | None = None, **fields: Any) -> Run:
    given: dict[str, Any] = {
        "id": FIRST,
        "command_id": UUID(int=9),
        "created_at": NOW,
        "start_time": NOW,
        "end_time": NOW,
        "script": "true",
        "epoch": 1,
        "host": "here",
    }
    return Run(**given | fields, state=state, exitcode=exitcode)


def after(ended: Run, before: RunState | None = None, *, is_left: bool = False) -> Following:
    return following(ended, before, is_left=is_left, now=NOW)


def test_nothing_follows_a_run_without_options() -> None:
    for state in RunState:
        assert after(run(state)) == Following()


def test_a_failed_run_is_tried_again_until_the_limit_and_names_the_first_of_its_chain() -> None:
    options = Options(retries=Retries(limit=2, delay_seconds=10, backoff=3))
    retry = after(run(RunState.FAILED, options=options)).retry
    assert retry is not None
    assert (retry.attempt, retry.retry_of) == (2, FIRST)
    assert retry.cause == Cause(kind=CauseKind.RETRY, id=FIRST)
    assert retry.not_before == NOW + timedelta(seconds=10)
    second = run(
        RunState.FAILED, options=options, id=SECOND, attempt=2, retry_of=FIRST, cause=retry.cause
    )
    retry = after(second).retry
    assert retry is not None
    assert (retry.attempt, retry.retry_of) == (3, SECOND)
    assert retry.cause == Cause(kind=CauseKind.RETRY, id=FIRST)
    assert retry.not_before == NOW + timedelta(seconds=30)
    assert after(run(RunState.FAILED, options=options, attempt=3)).retry is None


@pytest.mark.parametrize(
    ("state", "exitcode", "is_tried"),
    [
        (RunState.FAILED, 75, True),
        (RunState.FAILED, 1, False),
        (RunState.FAILED, None, False),
        (RunState.LOST, None, True),
        (RunState.TIMED_OUT, None, False),
        (RunState.STOPPED, None, False),
        (RunState.SUCCEEDED, 0, False),
    ],
)
def test_only_chosen_ends_are_tried_again(
    state: RunState, exitcode: int | None, *, is_tried: bool
) -> None:
    retries = Retries(limit=1, on=frozenset({"failed", "lost"}), exit_codes=(75,))
    ended = run(state, exitcode=exitcode, options=Options(retries=retries))
    assert (after(ended).retry is not None) == is_tried


AWAY = Options(on_unreachable=OnUnreachable.RETRY)


def test_what_is_tried_again_where_its_host_is_away_is_so_at_once_whatever_lost_it() -> None:
    """Its host has ended it when its lease was over, and may have told of that before others."""
    for given_up_at in (NOW, None):
        for retries in (None, Retries(limit=1, delay_seconds=60)):
            options = replace(AWAY, retries=retries)
            ended = run(RunState.LOST, options=options, given_up_at=given_up_at)
            assert after(ended).retry == NewRun(
                cause=Cause(kind=CauseKind.RETRY, id=FIRST), attempt=2, retry_of=FIRST
            )


def test_what_its_host_lets_end_is_not_tried_again_because_a_host_may_be_away() -> None:
    for state in RunState:
        if state is not RunState.LOST:
            assert after(run(state, options=AWAY)).retry is None
    assert after(run(RunState.LOST, options=AWAY), is_left=True).retry is None
    assert after(run(RunState.LOST, options=AWAY, attempt=20)).retry is None
    assert after(run(RunState.LOST, options=AWAY, attempt=19)).retry is not None


def test_a_run_that_was_given_up_may_go_on_where_it_is_and_is_not_tried_again() -> None:
    """Two would go on together: nobody asked for that."""
    notify = (Notify(target="chat", on=EVERYTHING),)
    for policy in (None, OnUnreachable.LOSE):
        options = Options(retries=Retries(limit=5), on_unreachable=policy, notify=notify)
        given_up = run(RunState.LOST, options=options, given_up_at=NOW)
        assert after(given_up) == Following(told=(("chat", "failed"),))
        assert after(run(RunState.LOST, options=options)).retry is not None


def test_a_paused_command_is_not_tried_again_and_its_end_is_told() -> None:
    notify = (Notify(target="chat", on=EVERYTHING),)
    options = Options(retries=Retries(limit=1), notify=notify)
    ended = run(RunState.FAILED, options=options)
    assert after(ended).told == ()
    assert after(ended, is_left=True) == Following(told=(("chat", "failed"),))


@pytest.mark.parametrize(
    ("state", "before", "told"),
    [
        (RunState.FAILED, RunState.SUCCEEDED, "failed"),
        (RunState.FAILED, RunState.FAILED, "failed"),
        (RunState.TIMED_OUT, None, "failed"),
        (RunState.LOST, None, "failed"),
        (RunState.SUCCEEDED, None, "succeeded"),
        (RunState.SUCCEEDED, RunState.SUCCEEDED, "succeeded"),
        (RunState.SUCCEEDED, RunState.FAILED, "recovered"),
        (RunState.SUCCEEDED, RunState.LOST, "recovered"),
        (RunState.STOPPED, RunState.FAILED, None),
    ],
)
def test_a_target_is_told_of_the_most_telling_occasion(
    state: RunState, before: RunState | None, told: str | None
) -> None:
    options = Options(notify=(Notify(target="chat", on=EVERYTHING),))
    found = after(run(state, options=options), before).told
    assert found == (() if told is None else (("chat", told),))


def test_each_target_is_told_of_what_it_asked_for() -> None:
    options = Options(
        notify=(
            Notify(target="night", on=frozenset({"failed"})),
            Notify(target="all", on=frozenset({"succeeded"})),
            Notify(target="calm", on=frozenset({"recovered", "late"})),
        )
    )
    ended = run(RunState.SUCCEEDED, options=options)
    assert after(ended, RunState.FAILED).told == (("all", "succeeded"), ("calm", "recovered"))
    assert after(ended, None).told == (("all", "succeeded"),)


def test_a_delay_is_a_day_at_most_whatever_the_backoff() -> None:
    retries = Retries(limit=10_000, delay_seconds=60, backoff=10)
    assert delay(retries, 1) == timedelta(seconds=60)
    assert delay(retries, 3) == timedelta(seconds=6000)
    assert delay(retries, 9) == timedelta(days=1)
    assert delay(retries, 9999) == timedelta(days=1)
