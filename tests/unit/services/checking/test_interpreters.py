"""Which interpreter is asked of a script, and which are not executed."""

import pytest

from server.services.checking.interpreters import Interpreter, interpreter_of

SHELL = "/opt/shells/bash"
READS = ("-n", "/dev/stdin")
BASH = ("--noprofile", "--norc", *READS)


def asked(script: str, shell: str = SHELL) -> Interpreter:
    there = {"bash", "zsh", "python3"}
    return interpreter_of(script, shell, lambda name: f"/bin/{name}" if name in there else None)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("true", (SHELL, *BASH)),
        ("#!/bin/sh\ntrue", ("/bin/sh", *READS)),
        ("#!/usr/bin/dash -e\ntrue", ("/usr/bin/dash", *READS)),
        ("#!/bin/bash -i\ntrue", ("/bin/bash", *BASH)),
        ("#!/usr/bin/env bash\ntrue", ("/bin/bash", *BASH)),
        ("#!/usr/bin/env -S A=1 zsh -e\ntrue", ("/bin/zsh", "-f", *READS)),
        (
            "shopt -s extglob\nls !(a)",
            (SHELL, "--noprofile", "--norc", "-O", "extglob", *READS),
        ),
    ],
)
def test_shells_read_what_is_on_stdin_and_execute_nothing(
    script: str, arguments: tuple[str, ...]
) -> None:
    assert asked(script) == Interpreter(arguments[0], arguments)


@pytest.mark.parametrize("name", ["python", "python3", "python3.13"])
def test_python_compiles_apart_from_all_that_is_installed(name: str) -> None:
    found = asked(f"#!/usr/bin/{name}")
    assert found.arguments is not None
    assert found.arguments[:4] == (f"/usr/bin/{name}", "-I", "-S", "-B")


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("#!/home/mine/bash\ntrue", "/home/mine/bash"),
        ("#!/bin/../tmp/bash\ntrue", "/bin/../tmp/bash"),
        ("#!bash\ntrue", "bash"),
        ("#!/usr/bin/env /home/mine/bash\ntrue", "/home/mine/bash"),
        ("#!/home/mine/env fish\ntrue", "fish"),
        ("#!/usr/bin/env\ntrue", "/usr/bin/env"),
        ("#!/usr/bin/env -i\ntrue", "/usr/bin/env"),
        ("#!/usr/bin/env dash\ntrue", "dash"),
        ("#!/usr/bin/perl\n1;", "/usr/bin/perl"),
        ("#!/usr/bin/python3-config", "/usr/bin/python3-config"),
        ("#!/bin/bash\r\ntrue", "/bin/bash\r"),
    ],
)
def test_others_are_not_executed(script: str, name: str) -> None:
    assert asked(script) == Interpreter(name, None)
