"""Scripts are read by their real interpreters, which execute nothing and are bounded."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from server.errors import LimitReachedError
from server.services.checking import checker as module
from server.services.checking.checker import Check, Checker
from server.services.checking.problems import Problem

BASH = "/bin/bash"


@pytest.fixture
def checker() -> Checker:
    return Checker(BASH)


@pytest.mark.parametrize(
    ("script", "interpreter", "line", "message"),
    [
        ("true\nif true; then\nfi\n", BASH, 3, "syntax error near unexpected token `fi'"),
        ("#!/bin/sh\nif true; then\nfi\n", "/bin/sh", 3, "nexpected"),
        ("#!/usr/bin/env bash\necho 'x\n", "bash", 2, "unexpected EOF"),
        ("#!/usr/bin/python3\nprint(1)\nif 1\n", "/usr/bin/python3", 3, "expected ':'"),
    ],
    ids=["default", "sh", "env", "python"],
)
async def test_a_problem_is_told_with_its_line(
    checker: Checker, script: str, interpreter: str, line: int, message: str
) -> None:
    check = await checker.check(script)
    assert check.unchecked is None
    assert check.interpreter.endswith(interpreter)
    assert check.problems[0].line == line
    assert message in check.problems[0].message


@pytest.mark.parametrize(
    "script",
    [
        "shopt -s extglob\nls !(a|b)\n",
        "#!/bin/sh -e\nfor i in 1 2; do echo $i; done\n",
        "#!/usr/bin/python3\n# -*- coding: latin-1 -*-\nprint('é')\n",
        "cat <<E\n¡hola!\nE\n" * 10_000,
    ],
    ids=["bash", "sh", "python", "long"],
)
async def test_nothing_is_wrong_with_a_right_script(checker: Checker, script: str) -> None:
    check = await checker.check(script)
    assert (check.unchecked, check.problems) == (None, [])


SIDE_EFFECTS = """
touch {file}; echo > {file}; a=$(touch {file}); [[ -v a[$(touch {file})] ]]; set +n; touch {file}
cat <<< $(touch {file}); (( a[$(touch {file})] )); . {file}; trap 'touch {file}' EXIT ERR DEBUG
alias x='touch {file}'; x; BASH_ENV={file}; exec touch {file}
"""


@pytest.mark.parametrize("first", ["", "#!/bin/bash -i\n", "#!/bin/sh\n", "#!/bin/bash +n\n"])
async def test_nothing_of_a_shell_script_is_executed(
    checker: Checker, tmp_path: Path, first: str
) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "made"
    await checker.check(first + SIDE_EFFECTS.format(file=file))
    assert not file.exists()


async def test_python_imports_nothing_of_the_scripts_directory_or_environment(
    checker: Checker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "made"
    tmp_path.chmod(0o777)
    for name in ["json.py", "sitecustomize.py", "mine.py"]:
        (tmp_path / name).write_text(f"open({str(file)!r}, 'w')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    coded = f"#!/usr/bin/python3\n# coding: mine\nimport json\nopen({str(file)!r}, 'w')\n"
    check = await checker.check(coded)
    assert check.problems == [Problem(1, "unknown encoding: mine")]
    assert not file.exists()


async def test_a_program_that_a_script_brings_along_is_not_executed(
    checker: Checker, tmp_path: Path
) -> None:
    file, program = tmp_path / "made", tmp_path / "bash"
    program.write_text(f"#!/bin/sh\ntouch {file}\n")
    program.chmod(0o755)
    tmp_path.chmod(0o777)
    check = await checker.check(f"#!{program}\nfi\n")
    assert check == Check(str(program), [], "Scripts of this interpreter are not checked.")
    assert not file.exists()


async def test_an_interpreter_that_is_not_there_is_told() -> None:
    check = await Checker("/nowhere/bash").check("fi")
    assert check.problems == []
    assert check.unchecked is not None
    assert check.unchecked.startswith("The interpreter could not check it")
    assert "No such file" in check.unchecked


async def test_what_checks_has_no_rights_and_little_room() -> None:
    looked = await module._ask(
        "", sys.executable if os.geteuid() else "/usr/bin/python3", "-I", "-S", "-c", _LOOK
    )
    assert looked is not None
    status = dict(line.split(":\t", 1) for line in looked.text.splitlines() if ":\t" in line)
    assert status["CapEff"].strip("0") == ""
    assert status["NoNewPrivs"] == "1"
    assert "Uid" in status
    assert (os.geteuid() == 0) is (status["Uid"].split()[0] != str(os.geteuid()))
    assert "fork: refused" in looked.text
    assert "write: refused" in looked.text
    assert "environment: ['LC_ALL']" in looked.text
    assert "descriptors: ['0', '1', '2', '3']" in looked.text  # the last one lists them


_LOOK = """
import os, sys
say = sys.stderr.write
say(open('/proc/self/status').read())
def attempt(name, act):
    try: act()
    except OSError: say(name + ': refused\\n')
def write():
    import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    file = os.memfd_create('x')
    try: os.write(file, b'x')
    finally: os.close(file)
if os.geteuid(): attempt('fork', lambda: os._exit(0) if os.fork() == 0 else None)
attempt('write', write)
say('environment: %s\\n' % sorted(os.environ))
say('descriptors: %s\\n' % sorted(os.listdir('/proc/self/fd')))
"""


async def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1)
    assert await module._ask("", "/bin/sleep", "1000") is None


async def test_what_is_said_is_bounded() -> None:
    said = await module._ask("", "/bin/sh", "-c", "while :; do echo x >&2; done")
    assert said is not None
    assert len(said.text) == module.SAID_BYTES
    assert not said.whole


async def test_so_many_wait_to_be_checked(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    first = asyncio.create_task(checker.check("true"))
    await asyncio.sleep(0)  # it begins
    with pytest.raises(LimitReachedError, match="1 scripts wait"):
        await checker.check("true")
    assert (await first).problems == []
    assert (await checker.check("true")).unchecked is None
