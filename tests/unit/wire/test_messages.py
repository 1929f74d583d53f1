"""Each message is read again as it was written, with what the domain's values hold."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.definition import (
    Cause,
    CauseKind,
    Concurrency,
    Options,
    Parameter,
    ParameterType,
    Retries,
    Value,
)
from server.errors import WireError
from server.models import Advance, Chunk, Position, Run, RunEnd, RunState
from server.wire import messages, subjects
from server.wire.codec import Parts, decode, encode
from server.wire.messages import (
    Active,
    ActiveRuns,
    Append,
    Appended,
    Beat,
    Claim,
    Claimed,
    Found,
    Get,
    Hello,
    Known,
    Life,
    Lines,
    Marked,
    Marks,
    Piece,
    Place,
    Positions,
    Read,
    Secrets,
    Seen,
    SeenAt,
    SeenTimes,
    Signal,
    Sought,
    Standing,
    Start,
    Stop,
    StopWanted,
    TakeOver,
    Times,
    WorkerState,
)
from server.wire.values import MAX_ITEMS, SHORT_CHARACTERS, parts_of, value_of

NOW = datetime(2026, 11, 26, 19, 0, 1, 123456, tzinfo=UTC)
RUN = Run(
    id=uuid4(),
    command_id=uuid4(),
    state=RunState.QUEUED,
    created_at=NOW,
    start_time=NOW,
    script="echo \N{SNOWMAN}\n",
    epoch=3,
    host="host",
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(timezones=st.just(UTC))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 2**62)
scripts = texts | st.text(st.just("\N{SNOWMAN}"), min_size=SHORT_CHARACTERS + 1)
POSITION = Position(1, 0, 0, RunState.LOST)
ADVANCE = Advance(run_id=RUN.id, epoch=1, from_offset=0, to_offset=0, to_lines=0)
SEEN = Seen(state=RunState.RUNNING, start_time=NOW, change=4, size=9, has_output=True)
STANDING = Standing(state=WorkerState.ACTIVE, lease_seconds=30, beat_seconds=5)
SAMPLES: Mapping[str, tuple[object, object]] = {
    "hello": (Hello(name="a", version="1", pools=("b",), places=3, life=Life(id="c")), STANDING),
    "beat": (
        Beat(stopped=frozenset({RUN.id}), life="a", age=3),
        replace(STANDING, stops=(StopWanted(run_id=RUN.id, signal="SIGTERM", grace_seconds=1.5),)),
    ),
    "claim": (Claim(places=3, life="a"), Claimed(runs=(RUN,), more=True)),
    "start": (Start(run_id=RUN.id), Secrets(secrets={"A": "b"}, body=b"\0")),
    "get": (Get(run_id=RUN.id), Known(run=RUN)),
    "append": (Append(advances=(ADVANCE,)), Appended(moved=frozenset({RUN.id, uuid4()}))),
    "active": (Active(after=RUN.id), ActiveRuns(runs=(RUN,))),
    "positions": (Positions(run_ids=(RUN.id,)), Found(positions={RUN.id: POSITION})),
    "times": (Times(run_id=RUN.id), SeenTimes(times=((0, 1.5), (2, 3.0)), more=True)),
    "takeover": (TakeOver(epochs={RUN.id: 3}), Found(positions={})),
    "read": (
        Read(run_id=RUN.id, offset=2**62, limit=1, change=3),
        Piece(seen=SEEN, data=b"\x00\xff", marks=(SeenAt(0, 1.5), SeenAt(7, 2))),
    ),
    "lines": (Lines(run_id=RUN.id, sought=Sought.LINE_COUNT, number=7), Place(number=8)),
    "marks": (Marks(run_id=RUN.id, start=0, end=9, limit=1), Marked(marks=(SeenAt(0, 1.5),))),
    "stop": (Stop(run_id=RUN.id, signal="SIGINT", grace_seconds=0), replace(SEEN, stopping=True)),
    "signal": (Signal(run_id=RUN.id, name="SIGHUP"), SEEN),
}


def again(message: Any) -> Any:
    """Return a message as the other side reads it."""
    return value_of(type(message), decode(encode(parts_of(message))))


@st.composite
def advances(draw: st.DrawFn) -> Advance:
    start, lines = draw(st.integers(0, 2**40)), draw(st.integers(0, 2**40))
    chunks, at, line = [], start, lines
    for count in draw(st.lists(st.integers(1, 2**20), max_size=3)):
        newlines = draw(st.integers(0, count))
        chunks.append(
            Chunk(at, count, line + 1, newlines, NOW, draw(st.binary()), draw(st.binary()))
        )
        at, line = at + count, line + newlines
    ends = st.builds(
        RunEnd,
        state=st.sampled_from(RunState),
        end_time=moments,
        exitcode=st.none() | st.integers(0, 255),
        reason=st.none() | scripts,
    )
    return Advance(
        run_id=draw(st.uuids()),
        epoch=draw(st.integers(1, 2**31)),
        from_offset=start,
        to_offset=at,
        to_lines=line,
        chunks=tuple(chunks),
        preview=draw(scripts),
        start_time=draw(st.none() | moments),
        end=draw(st.none() | ends),
    )


@settings(max_examples=50)
@given(st.lists(advances(), max_size=3).map(tuple))
def test_advances_arrive_to_the_byte(steps: tuple[Advance, ...]) -> None:
    assert again(Append(advances=steps)) == Append(advances=steps)


@settings(max_examples=50)
@given(
    st.dictionaries(texts, texts | whole | st.booleans() | FINITE),
    st.none() | st.binary(),
    scripts,
)
def test_a_claimed_run_arrives_with_all_that_it_is_started_with(
    values: Mapping[str, Value], body: bytes | None, script: str
) -> None:
    run = replace(RUN, script=script, parameters=values, cause=Cause(kind=CauseKind.HOOK))
    claimed = Claimed(runs=(run,))
    secrets = Secrets(secrets={"KEY": "s\u00e9cret"}, body=body)

    found = again(claimed)

    assert found == claimed
    assert [*map(type, found.runs[0].parameters.values())] == [*map(type, values.values())]
    assert again(secrets) == secrets


def test_a_number_that_json_has_not_is_refused_and_not_sent_as_none() -> None:
    with pytest.raises(WireError, match="inf cannot be written"):
        parts_of(replace(STANDING, lease_seconds=math.inf))


def test_a_text_that_is_not_unicode_is_sent_as_the_database_would_store_it() -> None:
    step = replace(ADVANCE, preview="a\udcffb", end=RunEnd(RunState.LOST, NOW, reason="\ud800"))

    [found] = again(Append(advances=(step,))).advances

    assert (found.preview, found.end.reason) == ("a?b", "?")


def test_a_runs_options_arrive_in_the_form_that_is_stored() -> None:
    options = Options(
        parameters=(Parameter(name="KEY", type=ParameterType.SECRET, required=True),),
        environment={"A": "b" * (2 * SHORT_CHARACTERS)},
        concurrency=Concurrency(limit=2),
        retries=Retries(limit=1, on=frozenset({"failed"})),
    )
    run = replace(RUN, options=options, retry_of=uuid4(), not_before=NOW + timedelta(days=1))

    assert again(Known(run=run)).run == run


@pytest.mark.parametrize("word", sorted(messages.EXCHANGES))
def test_what_is_asked_with_a_word_arrives_and_so_does_the_answer(word: str) -> None:
    for sample, kind in zip(SAMPLES[word], messages.EXCHANGES[word], strict=True):
        found = again(sample)

        assert found == sample
        assert type(found) is kind


@pytest.mark.parametrize("word", sorted(messages.EXCHANGES))
def test_a_field_with_a_default_may_be_missing_and_an_unknown_one_is_ignored(word: str) -> None:
    """So a field that is added later has a default, and versions understand each other."""
    for sample in SAMPLES[word]:
        assert is_dataclass(sample)
        needed = [one.name for one in fields(sample) if one.default is MISSING]
        parts = decode(encode(parts_of(sample)))
        head = {name: value for name, value in parts.head.items() if name in needed}

        found = value_of(type(sample), Parts({**head, "later": {"x": 1}}, parts.blobs))

        assert all(getattr(found, name) == getattr(sample, name) for name in needed)


def test_marks_are_named_again() -> None:
    _, piece = SAMPLES["read"]

    assert isinstance(again(piece).marks[0], SeenAt)


def test_each_word_of_the_subjects_has_its_messages() -> None:
    assert messages.EXCHANGES.keys() == subjects.SERVER_WORDS | subjects.WORKER_WORDS


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({}, "it has no number, run_id, sought"),
        ({"run_id": 5, "sought": "line_count", "number": 1}, "run_id: "),
        ({"run_id": "x", "sought": "line_count", "number": 1}, "run_id: "),
        ({"run_id": str(RUN.id), "sought": "lines", "number": 1}, "sought: "),
        ({"run_id": str(RUN.id), "sought": "line_count", "number": True}, "number: "),
        ({"run_id": str(RUN.id), "sought": "line_count", "number": "1"}, "number: "),
        ({"run_id": str(RUN.id), "sought": "line_count", "number": None}, "number: "),
        ({"run_id": str(RUN.id), "sought": "line_count", "number": 1.0}, "number: "),
    ],
)
def test_a_field_that_is_wrong_is_named(head: dict[str, object], said: str) -> None:
    with pytest.raises(WireError, match=f"no Lines: {said}"):
        value_of(Lines, Parts(head))


def test_a_blob_is_read_once_so_that_no_value_is_larger_than_its_message() -> None:
    chunk: dict[str, object] = {"byte_offset": 0, "byte_count": 1, "first_line": 1, "line_count": 0}
    chunk |= {"written_at": "2026-01-02T03:04:05+00:00", "data": 0, "marks": 1}
    step = {"run_id": str(RUN.id), "epoch": 1, "from_offset": 0, "to_offset": 1, "to_lines": 0}
    blobs = (bytes(1000), b"", b"")

    assert value_of(Append, Parts({"advances": [step | {"chunks": [chunk]}]}, blobs))
    twice = {"advances": [step | {"chunks": [chunk, chunk | {"marks": 2}]}]}
    with pytest.raises(WireError, match="blob 0, or it was taken before"):
        value_of(Append, Parts(twice, blobs))


def test_a_value_that_its_own_checks_refuse_is_no_message() -> None:
    step = {"run_id": str(RUN.id), "epoch": 1, "from_offset": 2, "to_offset": 1, "to_lines": 0}

    with pytest.raises(WireError, match="an archive does not shrink"):
        value_of(Append, Parts({"advances": [step]}))


def test_more_than_any_host_says_at_once_is_not_read() -> None:
    """Whoever stole a worker could else keep a server busy with each message of his."""
    ids = [str(RUN.id)] * (MAX_ITEMS + 1)
    assert value_of(Positions, Parts({"run_ids": ids[1:]}))
    with pytest.raises(WireError, match=f"more than {MAX_ITEMS} items"):
        value_of(Positions, Parts({"run_ids": ids}))
    said = {"name": "w", "version": "1", "pools": ["a"] * MAX_ITEMS}
    assert value_of(Hello, Parts(said))
    with pytest.raises(WireError, match="items"):
        value_of(Hello, Parts(said | {"labels": ["b=c"]}))
