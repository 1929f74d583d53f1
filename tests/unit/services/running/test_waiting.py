"""What a run that stands aside waits for, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

from server.models import RunState
from server.repositories.lines import Holder, Line, Replacing
from server.services.running import waiting
from server.services.running.live import RunView
from tests.support.runs import a_run

A, B, C, D = (UUID(int=number) for number in range(1, 5))


def line(
    limit: int | None, *holders: tuple[UUID, str | None], newest: Replacing | None = None
) -> Line:
    return Line(uuid4(), limit, [Holder(*one) for one in holders], newest)


def test_the_run_that_has_its_turn_is_named() -> None:
    assert waiting.for_others(line(1, (A, "here")), "here") == (
        f"it waits for run {A} of its command (limit 1)"
    )


def test_a_run_of_another_host_is_named_with_it() -> None:
    told = waiting.for_others(line(2, (A, "here"), (B, "there")), "here")
    assert told == (
        f"it waits for one of the runs {A}, {B} (of another server, host there) of its command"
        " (limit 2)"
    )


def test_a_run_that_nobody_has_claimed_is_said_to_wait_itself() -> None:
    told = waiting.for_others(line(1, (A, None)), "here")
    assert told == (f"it waits for run {A} (which waits for a worker) of its command (limit 1)")


def test_a_run_of_a_pool_says_which_worker_it_waits_for() -> None:
    run = replace(a_run(), host=None, pool="build")
    assert RunView.stored(run).run.reason == "it waits for a worker of the pool build"
    picky = replace(run, requires=("arch=arm64", "gpu=yes"))
    assert RunView.stored(picky).run.reason == (
        "it waits for a worker of the pool build that has arch=arm64, gpu=yes"
    )
    ended = replace(run, state=RunState.STOPPED, reason="stopped")
    assert RunView.stored(ended).run.reason == "stopped"
    timed = replace(run, not_before=datetime(2099, 1, 2, tzinfo=UTC))
    assert RunView.stored(timed).run.reason == waiting.until(datetime(2099, 1, 2, tzinfo=UTC))


def test_of_many_a_few_are_named() -> None:
    told = waiting.for_others(line(4, *((one, "here") for one in (A, B, C, D))), "here")
    assert told == f"it waits for one of the runs {A}, {B}, {C}, 1 more of its command (limit 4)"


def test_with_room_it_is_others_of_the_line_that_are_waited_for() -> None:
    assert waiting.for_others(line(2, (A, "here")), "here") == waiting.BEFORE
    assert waiting.for_others(line(None, (A, "here")), "here") == waiting.BEFORE


def test_a_time_is_told_in_utc() -> None:
    moment = datetime(2099, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert waiting.until(moment) == "it waits until 2099-01-02 01:04:05 UTC"
    assert waiting.at_first(replace(a_run(), not_before=moment)) == waiting.until(moment)
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert waiting.at_first(replace(a_run(), not_before=past)) == "it waits for its turn"


def test_as_many_are_replaced_as_needed_and_none_that_came_later() -> None:
    def replaced(limit: int | None, *, wants: bool = True, older: int = 3) -> list[UUID]:
        newest = Replacing(D, datetime.now(UTC), wants, older)
        holders = [(one, "here") for one in (A, B, C)]
        return [one.run_id for one in line(limit, *holders, newest=newest).replaced]

    assert replaced(3) == [A]
    assert replaced(1) == [A, B, C]
    assert replaced(1, older=1) == [A]
    assert replaced(1, wants=False) == []
    assert replaced(4) == replaced(None) == []
    assert line(1, (A, "here")).replaced == ()
