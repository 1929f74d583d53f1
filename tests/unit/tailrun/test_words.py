"""What the command line says of itself: help, completion, the manual."""

import argparse
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.__main__ import CLIENT, ROLES
from server.access import Role
from server.serve import serve
from tailrun.cli import completion
from tailrun.cli.words import ROLES as TOKEN_ROLES
from tailrun.cli.words import SERVERS_WORDS, SHELLS, WORDS, parser_of, whole

ROOT = Path(__file__).parents[3]


def test_every_role_is_a_word_and_every_word_a_role() -> None:
    clients = {word for word, (module, _) in ROLES.items() if module.startswith(CLIENT)}
    assert clients == {*WORDS}
    assert {*ROLES} == {*WORDS, *SERVERS_WORDS}


def test_a_token_has_one_of_the_servers_roles() -> None:
    assert (*Role,) == TOKEN_ROLES


def test_the_help_of_the_server_names_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        serve(["--help"])
    usage = capsys.readouterr().out.partition("\n\n")[0]
    assert [word for word in ROLES if word not in usage] == []


def options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]


def test_the_manual_names_every_word_and_option() -> None:
    """`make man` writes it anew."""
    manual = (ROOT / "docs" / "tailrun.1").read_text().replace("\\-", "-")
    assert manual.count("\nusage: ") == manual.count("\n.nf\nusage: ")  # laid out by its lines
    for word in WORDS | SERVERS_WORDS:
        assert f"tailrun {word}" in manual
    for word in WORDS:
        assert [one for one in options(parser_of(word)) if one not in manual] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_names_every_word_and_completes_names_that_are_harmless(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completion.completion([shell]) == 0
    script = capsys.readouterr().out
    for word in WORDS | SERVERS_WORDS:
        assert word in script
    assert "grep -xE '[A-Za-z0-9][A-Za-z0-9._-]*'" in script


BASH = """
tailrun() {{ echo "$*" >>{asked}; printf '%s\\n' backup 'back up' '$(touch {touched})' count; }}
source {script}
COMP_WORDS=(tailrun run {typed}) COMP_CWORD=2
_shtab_tailrun
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_bash_completes_the_names_of_commands_and_executes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    completion.completion(["bash"])
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    asked, touched = tmp_path / "asked", tmp_path / "touched"
    program = BASH.format(asked=asked, touched=touched, script=script, typed="b")
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["backup"]
    assert asked.read_text() == "ls --names\n"
    assert not touched.exists()


def test_the_parser_of_all_words_reads_each_as_its_own_does() -> None:
    given = whole().parse_args(["tail", "-n", "3", "count"])
    assert (given.word, given.lines, given.run) == ("tail", 3, "count")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["pause", "x", "--for", "soon"], "soon is no time such as 90s, 30m, 8h or 2d"),
        (["pause", "x", "--for", "0h"], "0h is no time such as"),
        (["pause", "x", "--until", "noon"], "noon is no time such as 2026-11-26T03:00"),
        (["pause", "x", "--for", "1h", "--until", "2030-01-01"], "not allowed with"),
        (["schedules", "x", "-n", "0"], "it is to be 1 at least"),
        (["schedules", "x", "--at", "noon"], "noon is no time such as"),
        (["hooks", "x", "--enable", "a", "--disable", "b"], "not allowed with"),
        (["hooks"], "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_words_of_what_starts_a_command_are_named(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    word, *given = words
    with pytest.raises(SystemExit) as left:
        parser_of(word).parse_args(given)
    assert left.value.code == 2
    assert text in capsys.readouterr().err


def test_a_time_without_an_offset_is_of_this_hosts_zone() -> None:
    until = parser_of("pause").parse_args(["x", "--until", "2026-11-26T03:00"]).until
    assert until == datetime(2026, 11, 26, 3).astimezone()
    until = parser_of("pause").parse_args(["x", "--until", "2026-11-26T03:00+05:30"]).until
    assert until == datetime(2026, 11, 25, 21, 30, tzinfo=UTC)
    assert parser_of("pause").parse_args(["x", "--for", "2d"]).duration == 2 * 86400
