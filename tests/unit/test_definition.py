"""What a command says of its runs, as it is stored and read again."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from server.definition import (
    NO_OPTIONS,
    Beyond,
    Cause,
    CauseKind,
    Concurrency,
    Notify,
    OnUnreachable,
    Options,
    Parameter,
    ParameterType,
    Pause,
    Retries,
    text_of,
    values_of,
)

ALL = Options(
    parameters=(
        Parameter(name="DAY", type=ParameterType.CHOICE, choices=("mon", "tue"), required=True),
        Parameter(name="N", type=ParameterType.INTEGER, default=0, min=0, max=9),
        Parameter(name="DRY", type=ParameterType.BOOLEAN, default=False, label="Dry run"),
    ),
    environment={"A": "b"},
    working_directory="/srv",
    timeout_seconds=1.5,
    grace_seconds=2,
    max_output_bytes=3,
    output_policy="stop",
    concurrency=Concurrency(limit=1, beyond=Beyond.REPLACE),
    retries=Retries(limit=2, delay_seconds=3, on=frozenset({"lost"}), exit_codes=(75,)),
    notify=(Notify(target="chat", on=frozenset({"failed", "late"})),),
    pool="build",
    requires=("arch=arm64", "gpu=yes"),
    on_unreachable=OnUnreachable.RETRY,
    lost_after_seconds=90,
)


@pytest.mark.parametrize("options", [ALL, NO_OPTIONS])
def test_options_are_read_as_they_were_stored(options: Options) -> None:
    assert Options.of(options.as_json()) == options


def test_what_is_not_said_is_not_stored() -> None:
    assert NO_OPTIONS.as_json() == {}
    assert Parameter(name="A").as_json() == {"name": "A", "type": "string"}
    assert ALL.as_json()["parameters"][1]["default"] == 0
    assert ALL.as_json()["parameters"][2]["default"] is False


@pytest.mark.parametrize("stored", [None, {}, [], "text", 5])
def test_a_row_without_options_has_none(stored: object) -> None:
    assert Options.of(stored) is NO_OPTIONS


def test_what_this_version_does_not_know_is_left_out() -> None:
    stored = {
        "parameters": [
            {"name": "A", "type": "from a newer version"},
            {"type": "string"},
            5,
            {"name": "B", "type": "string", "colour": "red"},
        ],
        "environment": {"A": 5, "B": "b"},
        "timeout_seconds": "long",
        "max_output_bytes": True,
        "concurrency": {"limit": 1, "beyond": "explode"},
        "retries": 5,
        "further": 1,
        "working_directory": "/",
    }
    assert Options.of(stored) == Options(
        parameters=(Parameter(name="B"),), environment={"B": "b"}, working_directory="/"
    )


def test_causes_and_pauses_are_read_as_they_were_stored() -> None:
    at = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    for cause in [
        Cause(kind=CauseKind.SCHEDULE, id=UUID(int=5), due_at=at),
        Cause(kind=CauseKind.RETRY),
    ]:
        assert Cause.of(cause.as_json()) == cause
    for pause in [Pause(note="n", until=at, by="alice", at=at), Pause()]:
        assert Pause.of(pause.as_json()) == pause
    assert [Cause.of(one) for one in [None, {"kind": "magic"}, 5]] == [None, None, None]
    assert [Pause.of(None), Pause.of({"until": "soon", "by": "b"})] == [None, Pause(by="b")]


def test_values_are_texts_for_scripts() -> None:
    values = values_of({"A": True, "B": 5, "C": 0.5, "D": "x\ny", "E": None, "F": []})
    assert {name: text_of(value) for name, value in values.items()} == {
        "A": "true",
        "B": "5",
        "C": "0.5",
        "D": "x\ny",
    }
    assert values_of(None) == {}
