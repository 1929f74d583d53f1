"""The command line of a script."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keeper.run.launch import command_line


@pytest.mark.parametrize(
    ("script", "command"),
    [
        (b"", ["sh"]),
        (b"echo", ["sh"]),
        (b" #!/bin/x", ["sh"]),
        (b"\n#!/bin/x", ["sh"]),
        (b"#!", ["sh"]),
        (b"#! \t\n/bin/x", ["sh"]),
        (b"#!/bin/x", ["/bin/x"]),
        (b"#!/bin/x\nrest", ["/bin/x"]),
        (b"#! \t/bin/x \t\nrest", ["/bin/x"]),
        (b"#!/bin/x -a", ["/bin/x", "-a"]),
        (b"#!/bin/x\t -a  -b c \n", ["/bin/x", "-a  -b c"]),
        (b"#!/usr/bin/env -S python3 -u\n", ["/usr/bin/env", "-S python3 -u"]),
        (b"#!/bin/x\r\n", ["/bin/x\r"]),
        (b"#!x\n", ["x"]),
        (b"#!/bin/\xff\n", [os.fsdecode(b"/bin/\xff")]),
    ],
)
def test_the_first_line_is_read_as_the_kernel_does(script: bytes, command: list[str]) -> None:
    assert command_line(script, "path", "sh") == [*command, "path"]


@given(st.binary() | st.binary().map(b"#!".__add__))
def test_every_script_has_an_interpreter_and_at_most_one_argument(script: bytes) -> None:
    interpreter, *arguments, path = command_line(script, "path", "sh")
    assert interpreter
    assert len(arguments) <= 1
    assert path == "path"
