"""What a server says is shown so that no terminal obeys it."""

import io

import pytest

from tailrun.cli import following, lists
from tailrun.cli.given import described
from tailrun.cli.notes import Notes
from tailrun.cli.words import parser_of
from tailrun.client import Client
from tailrun.errors import NotPermittedError
from tailrun.values import Command, Parameter, Run

EVIL = "\x1b]0;mine\x07\x1b[2J\x9b31m\u202e\r"
RUN = {
    **dict.fromkeys(["start_time", "end_time", "exitcode", "signal", "reason"]),
    "id": EVIL,
    "command_id": EVIL,
    "state": EVIL,
    "stopping": False,
    "paused": False,
    "created_at": "2026-01-01T00:00:00+00:00",
    "output_bytes": 0,
}
PARAMETER = {"name": "P", "type": EVIL, "label": EVIL, "default": EVIL, "pattern": EVIL}
COMMAND = {
    "id": EVIL,
    "key": None,
    "name": EVIL,
    "description": f"a\n{EVIL}",
    "group": EVIL,
    "script": EVIL,
    "parameters": [PARAMETER],
    "environment": {"A": EVIL},
    "last_run": RUN,
    EVIL: EVIL,
}


def is_harmless(text: str) -> bool:
    return text != "" and all(one.isprintable() or one == "\n" for one in text)


class Hostile(Client):
    """Answers with what a terminal would obey."""

    async def command(self, _command: str, /) -> Command:
        return Command.of(COMMAND)

    async def start(self, *_: object, **__: object) -> Run:
        return Run.of(RUN)


@pytest.mark.parametrize(
    ("word", "act"),
    [("show", lists.show), ("run", following.explain), ("run", following.start)],
    ids=["show", "help", "detached"],
)
async def test_words_print_nothing_that_a_terminal_obeys(
    word: str, act: object, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["x", "--detach"] if act is following.start else ["x"]
    given = parser_of(word).parse_args(words)
    assert callable(act)
    assert await act(Hostile("http://localhost"), given, Notes()) == 0
    assert is_harmless(capsys.readouterr().out)


def test_parameters_and_notes_have_nothing_that_a_terminal_obeys() -> None:
    assert is_harmless(described([Parameter.of(PARAMETER)]))
    said = io.StringIO()
    notes = Notes(said)
    notes.say(f"Run {EVIL} is {EVIL}.")
    notes.error(NotPermittedError(EVIL, status=403, kind="x", fields={EVIL: [EVIL]}))
    notes.error(NotPermittedError(EVIL, status=403, kind="x"))
    assert is_harmless(said.getvalue())
