"""What is said of files that were applied: of secrets, and of an answer that was lost."""

import argparse
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tailrun.cli.applying import apply
from tailrun.cli.notes import Notes

if TYPE_CHECKING:
    from tailrun.client import Client

HOOKS = {"field": "hooks", "before": None, "after": [{"name": "push", "scheme": "github"}]}
CREATED = {"key": "a", "outcome": "created", "changes": [HOOKS]}
UNCHANGED = {"key": "a", "outcome": "unchanged", "changes": []}
SECRET = {"key": "a", "name": "push", "deliveries": "/api/v1/hooks/1", "secret": "s3cret"}


class Server:
    """Answers a dry run, and then an application."""

    def __init__(self, done: dict[str, Any]) -> None:
        self._done = done

    async def apply(self, _commands: Any, *, dry_run: bool = False, **_: Any) -> dict[str, Any]:
        return {"plan": "1", "items": [CREATED]} if dry_run else self._done


class Screen(io.StringIO):
    """A stderr that is a terminal, or none."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


async def said(
    tmp_path: Path, done: dict[str, Any], *, is_terminal: bool = False, as_json: bool = False
) -> str:
    file = tmp_path / "commands.yaml"
    file.write_text("commands: [{key: a, script: x}]")
    given = argparse.Namespace(files=[str(file)], prune=False, dry_run=False, json=as_json)
    screen = Screen(is_terminal=is_terminal)
    assert await apply(cast("Client", Server(done)), given, Notes(screen)) == 0
    return screen.getvalue()


async def test_a_secret_is_said_on_a_terminal_and_in_json_and_to_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"items": [CREATED], "secrets": [SECRET]}
    assert "by the secret s3cret, which is shown this once" in await said(
        tmp_path, done, is_terminal=True
    )
    piped = await said(tmp_path, done)
    assert "s3cret" not in piped
    assert "takes what is sent to /api/v1/hooks/1. Its secret is shown on a terminal" in piped
    assert "s3cret" not in capsys.readouterr().out
    assert "s3cret" not in await said(tmp_path, done, is_terminal=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["secrets"] == [SECRET]


async def test_a_server_of_before_hooks_stood_in_files_is_understood(tmp_path: Path) -> None:
    assert await said(tmp_path, {"items": [CREATED]}) == (
        "tailrun: 1 created, 0 changed, 0 deleted, 0 unchanged\n"
    )


async def test_an_answer_that_was_lost_is_told_with_the_secrets_that_are(tmp_path: Path) -> None:
    told = await said(tmp_path, {"items": [UNCHANGED], "secrets": []})
    assert told.splitlines()[:2] == [
        (
            "tailrun: It was done already: the answer was lost on the way and asked for again, or"
            " somebody else did the same."
        ),
        (
            "tailrun: The secrets of hooks of a that were made are not to be had again:"
            " `tailrun hooks a --new-secret NAME` makes another one."
        ),
    ]
