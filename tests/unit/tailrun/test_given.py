"""Values of parameters on the command line."""

import io
import sys
from pathlib import Path

import pytest

from tailrun.cli.given import described, values
from tailrun.errors import GivenError
from tailrun.values import Parameter

TYPES = ("string", "text", "integer", "number", "boolean", "secret")
PARAMETERS = [Parameter.of({"name": one.upper(), "type": one}) for one in TYPES]


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("STRING=a=b", "STRING", "a=b"),
        ("STRING=", "STRING", ""),
        ("STRING=@@home", "STRING", "@home"),
        ("INTEGER=7", "INTEGER", 7),
        ("INTEGER=seven", "INTEGER", "seven"),
        ("NUMBER=0.5", "NUMBER", 0.5),
        ("BOOLEAN=true", "BOOLEAN", True),
        ("BOOLEAN=false", "BOOLEAN", False),
        ("BOOLEAN=yes", "BOOLEAN", "yes"),
        ("UNKNOWN=1", "UNKNOWN", "1"),
        ("SECRET", "SECRET", "from outside"),
    ],
)
def test_a_value_is_of_its_parameters_type_and_what_is_none_goes_as_text(
    given: str, name: str, value: object
) -> None:
    found = values([given], PARAMETERS, {"SECRET": "from outside"})
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_a_value_comes_from_a_file_without_its_last_line_end_unless_it_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "value").write_bytes(b"one\ntwo\n\n")
    given = [f"SECRET=@{tmp_path}/value", f"TEXT=@{tmp_path}/value"]
    assert values(given, PARAMETERS, {}) == {"SECRET": "one\ntwo\n", "TEXT": "one\ntwo\n\n"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"said\r\n")))
    assert values(["STRING=@-"], PARAMETERS, {}) == {"STRING": "said"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["STRING=a", "STRING=b"], "-p STRING is given twice"),
        (["SECRET"], "export SECRET"),
        (["SECRET=@/nonexistent"], "-p SECRET: /nonexistent: No such file"),
    ],
)
def test_a_value_that_cannot_be_had_is_named(given: list[str], expected: str) -> None:
    with pytest.raises(GivenError, match=expected):
        values(given, PARAMETERS, {})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(GivenError, match="binary is not in UTF-8"):
        values([f"STRING=@{tmp_path}/binary"], PARAMETERS, {})


def test_parameters_are_told_with_what_they_take() -> None:
    told = described(
        [
            Parameter.of(
                {
                    "name": "DAY",
                    "type": "choice",
                    "choices": ["mon", "tue"],
                    "default": "mon",
                    "label": "Day",
                    "description": "of the week",
                }
            ),
            Parameter.of({"name": "COUNT", "type": "integer", "min": 1, "max": 9}),
            Parameter.of({"name": "SIZE", "type": "number", "min": 1}),
            Parameter.of({"name": "AGE", "type": "number", "max": 1}),
            Parameter.of({"name": "NAME", "required": True, "pattern": "[a-z]+"}),
            Parameter.of({"name": "DRY", "type": "boolean", "default": False}),
        ]
    )
    assert told == (
        "  -p DAY=…  (choice; one of mon, tue; default mon)\n      Day of the week\n"
        "  -p COUNT=…  (integer; from 1 to 9)\n"
        "  -p SIZE=…  (number; at least 1)\n"
        "  -p AGE=…  (number; at most 1)\n"
        "  -p NAME=…  (string; as [a-z]+; required)\n"
        "  -p DRY=…  (boolean; default false)\n"
    )
    assert described([]) == "It takes no parameters.\n"
