"""What the documents have for a shell does what they say when it is pasted, block by block."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.repositories.embedded.server import EmbeddedDatabase
from tests.support.service import ROOT, Service
from tests.support.terminal import Terminal, blocks, terminal

pytestmark = pytest.mark.timeout(300)

PASTED = (
    *("README.md", "docs/api.md", "docs/operations.md", "docs/commands.md"),
    "docs/hosts.md",  # test_pasted_hosts.py
)

ELSEWHERE = (
    "apt-get install ",
    "make test\n",
    "make torture",
    "python3 -m venv /opt/",
    "useradd ",
    "tailrun --host ",
    "docker run",
    "export TAILRUN_NATS_URL=",
)
"""How blocks begin that are for another machine, or lead here again."""

API, GUIDE = ROOT / "docs" / "api.md", ROOT / "docs" / "commands.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = r"serves http://127\.0\.0\.1:(\d+)/ "


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def port(state_dir: Path) -> AsyncIterator[str]:
    """Have README's first command serve, in a terminal of its own; return the port."""
    settings = {"TAILRUN_STATE_DIR": str(state_dir), "TAILRUN_PORT": "0"}
    async with terminal(ROOT, **settings) as first:
        [run] = [block for block in blocks(ROOT / "README.md") if block.startswith("make run")]
        match = await first.begin(run, ADDRESS)
        yield match[1]
        await first.interrupt()
    await Service(state_dir, None).end_keeper()
    await EmbeddedDatabase(state_dir / "database").stop()


@pytest.fixture
async def second(tmp_path: Path) -> AsyncIterator[Terminal]:
    """Open another terminal, in a directory where npx finds wscat, as it would in its cache."""
    directory = tmp_path / "home"
    directory.mkdir()
    (directory / "node_modules").symlink_to(ROOT / ".venv/npm/node_modules")
    async with terminal(directory) as opened:
        yield opened


def of(document: str) -> list[str]:
    """Return the blocks of a document that are for here."""
    return [block for block in blocks(ROOT / document) if not block.startswith(ELSEWHERE)]


def test_every_block_is_pasted_or_known_to_be_for_elsewhere() -> None:
    documents = {*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("tests/*/*.md")}
    documents.remove(ROOT / "README.ru.md")  # its commands are README.md's (test_documents.py)
    every = [block for document in documents for block in blocks(document)]
    pasted = [block for document in PASTED for block in of(document)]
    assert sorted(every) == sorted(pasted + [one for one in every if one.startswith(ELSEWHERE)])


async def see(terminal: Terminal, block: str) -> str:
    """Paste a block; no request of it is refused."""
    seen = await terminal.paste(block)
    assert "/docs/api.md#" not in seen
    return seen


async def test_the_readme_can_be_pasted(port: str, second: Terminal) -> None:
    serve, store, watch, again = (block.replace("8000", port) for block in of("README.md"))
    assert serve == "make run\n"
    assert '"run":{' in await see(second, store)
    await second.begin(watch, r"line 3\n")
    await second.interrupt()
    seen = await see(second, again)
    assert '"output":"' in seen
    assert '"stopping":true' in seen


async def test_the_examples_of_the_api_can_be_pasted(port: str, second: Terminal) -> None:
    store, follow, watch, again, parts, *_ = (
        block.replace("8000", port) for block in of("docs/api.md")
    )
    await see(second, store)
    assert "line 1\nline 2\nline 3\nline 4\nline 5\n" in await see(second, follow)
    assert 'Disconnected (code: 1000, reason: "exit 0")' in await see(second, watch)
    assert '"stopping":true' in await see(second, again)
    seen = await see(second, parts)
    for part in ("\nline 4\nline 5\n<0$ ", "\nline 1\nlin<0$ ", "\nline 2\nline 3\n<0$ "):
        assert part in seen


async def test_each_client_signs_in_as_the_api_has_it(
    port: str, second: Terminal, tmp_path: Path
) -> None:
    """The server knows the user of this host as well: that it is the token is what is looked at."""
    store, *_, make, curl, wscat, ticket, python = (
        block.replace("8000", port) for block in of("docs/api.md")
    )
    [program] = PYTHON.findall(API.read_text())
    (tmp_path / "home" / "watch.py").write_text(program.replace("8000", port))
    await see(second, store)
    await see(second, make)
    assert (tmp_path / "home" / "token.header").stat().st_mode & 0o077 == 0
    assert '"known_by":"token"' in await see(second, curl)
    for block in (wscat, ticket, python):
        seen = re.sub(r"^[<> ]+", "", await see(second, block), flags=re.MULTILINE)
        assert "line 1\nline 2\nline 3\nline 4\nline 5\n" in seen


async def test_the_command_line_and_the_client_do_what_the_guide_says(
    port: str, second: Terminal, tmp_path: Path
) -> None:
    definition, words, times, pause, ends, hooks, files, started = (
        block.replace("8000", port) for block in of("docs/commands.md")
    )
    seen = await see(second, definition)
    assert "Good morning, $(whoami)\nGood morning, $(whoami)\n" in seen
    assert "\nexit code 65\n" in seen
    seen = await see(second, words)
    assert "5\ndone\n<0$ " in seen
    assert "\nRUN " in seen
    assert "script:\n  seq 5; echo done >&2\n" in seen
    [program] = PYTHON.findall(GUIDE.read_text())
    (tmp_path / "home" / "count.py").write_text(program.replace("8000", port))
    assert "5\ndone\nsucceeded 0\n" in await see(second, "python3 count.py\n")
    seen = await see(second, times)
    assert "it runs at 03:00 instead" in seen
    assert '{"items":[],"next":null}' in seen
    assert seen.count('"name":"tidy up"') == 2
    seen = await see(second, pause)
    assert "tailrun: tidy up is paused until " in seen
    assert "0 3 * * 1-5 (Europe/Berlin): " in seen
    assert "tailrun: tidy up is started by its schedules and hooks again.\n" in seen
    seen = await see(second, ends)
    assert '"secret":"whsec_' in seen
    assert "\nexit code 1\n" in seen
    assert "attempt 1\n" in seen
    assert "\nexit code 0\n" in seen
    assert "attempt 2\n<0$ " in seen
    assert '"occasion":"succeeded"' in seen
    seen = await see(second, files)
    assert "+ tidy: created\n" in seen
    assert "tailrun: would be 1 created, " in seen
    assert "tailrun: 0 created, 0 changed, 0 deleted, 1 unchanged\n" in seen
    assert "older than 30 days\n" in seen
    seen = await see(second, started)
    assert "push is sent to /api/v1/hooks/" in seen
    assert "tailrun: 0 created, 0 changed, 0 deleted, 1 unchanged\n" in seen
    seen = await see(second, hooks)
    assert '"outcome":"started"' in seen
    assert 'pushed to refs/heads/main\n{"ref": "refs/heads/main"}\n' in seen


async def test_backup_and_restore_can_be_pasted(
    port: str, second: Terminal, state_dir: Path, tmp_path: Path
) -> None:
    """Beside the server, with directories of this test for those of the host."""
    assert port
    for block in of("docs/operations.md"):
        here = block.replace("/var/lib/tailrun", str(state_dir))
        await see(second, here.replace("/var/backups", str(tmp_path)))
    restored = state_dir.with_name("state-restored") / "database"
    assert (tmp_path / "tailrun.backup").stat().st_size > 0
    assert (restored / "PG_VERSION").exists()
