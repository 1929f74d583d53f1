"""JSON pointers, by the examples of RFC 6901 (section 5) and beyond."""

from typing import Any

import pytest

from server.services.hooks.pointers import MISSING, is_pointer, resolve

RFC: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", RFC),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/1", "baz"),
    ],
)
def test_each_example_leads_to_its_value(pointer: str, expected: object) -> None:
    assert is_pointer(pointer)
    assert resolve(RFC, pointer) == expected


@pytest.mark.parametrize(
    "pointer",
    [
        "/nothing",
        "/foo/2",
        "/foo/-",
        "/foo/01",
        "/foo/-1",
        "/foo/ 1",
        "/foo/0/bar",
        "/foo/9999999999",
    ],
)
def test_what_leads_nowhere_is_missing(pointer: str) -> None:
    assert is_pointer(pointer)
    assert resolve(RFC, pointer) is MISSING


def test_a_tilde_and_a_one_that_were_a_tilde_are_no_slash() -> None:
    assert resolve({"~1": "right", "/": "wrong"}, "/~01") == "right"


@pytest.mark.parametrize("text", ["foo", "/a~", "/a~2", "#/foo", "foo/"])
def test_what_is_no_pointer_is_told(text: str) -> None:
    assert not is_pointer(text)
