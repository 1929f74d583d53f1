"""The documents have a sentence a line, name what there is, and quote what the service says."""

import ast
import errno
import os
import re
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")
ROOMS = ("server", "client", "static", "migrations", "docs", "scripts", "tests", "bench", ".ci")

NAMED = re.compile(
    r"""(?<![\w./<>$:-]) ( (?:[\w.-]+/)* [\w.-]+ \. (?:py|js|css|sql|md|sh|toml|txt|service)
                     | (?:[\w.-]+/)+ (?=[\s`]) ) (?![\w/])""",
    re.VERBOSE,
)
"""A file by its suffix, or a directory by the slash at its end; the first parts may be left out."""


def there() -> set[str]:
    """Return every file and directory of ours, each with all shorter ways to name it."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*")]
    found += [path for path in ROOT.iterdir() if path.is_file() or path.name in ROOMS]
    names = set()
    for path in found:
        parts = path.relative_to(ROOT).parts
        names |= {str(PurePosixPath(*parts[start:])) for start in range(len(parts))}
    return names


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_files_that_there_are(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {found.removeprefix("../").rstrip("/") for found in NAMED.findall(text)}
    assert named
    assert named - there() == set()


ASIDE = re.compile(
    r"^(?:\||#|>|    ).*|^\s*(?:-|\d+\.) |\*\*[^*]+\.\*\*|`[^`]*`|\([^()]*\)", re.MULTILINE
)
"""What is no sentence of its own: tables, headings, items' signs, labels, code, brackets."""

FURTHER = re.compile(r".*[a-z0-9)\"][.!?]\"? +[\"*`(\[]*[A-Z].*")


@pytest.mark.parametrize(
    "path",
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("bench/*.md"),
        *ROOT.glob("tests/*/*.md"),
    ],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_document_has_one_sentence_a_line(path: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert FURTHER.findall(ASIDE.sub("", text)) == []


def texts() -> str:
    """Return all texts that the server's modules hold, and the system's own for errors."""
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py")]
    nodes = [node for module in modules for node in ast.walk(ast.parse(module))]
    held = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return "\n".join([*map(str, held), *map(os.strerror, errno.errorcode)])


@pytest.mark.parametrize("name", ["docs/operations.md", "docs/hosts.md"])
def test_the_operators_tables_quote_what_the_service_says(name: str) -> None:
    """Where an ellipsis, N or a colon stand, what is said differs from case to case."""
    document = (ROOT / name).read_text(encoding="utf-8")
    seen = [row for row in document.splitlines() if row.startswith("| ")]
    quoted = {text for row in seen for text in re.findall(r"`([^`]+)`", row.split(" | ")[0])}
    messages = [text.removeprefix("tailrun: ") for text in quoted if " " in text]
    parts = {part for text in messages for part in re.split(r"\s*(?:…|: |\bN\b)\s*", text)}
    assert parts
    said = texts()
    assert [part for part in parts if part not in said] == []


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


EQUAL = {
    "headings": r"^(#+) .*$",
    "commands": r"^```sh$(?s:(.*?))^```$",
    "settings": r"^\| `(TAILRUN_\w+)` \| (`[^`]+`|)",
    "quotations": r"(?<!`)`([^`\n]+)`(?!`)",
    "links": r"\]\((?!README)([^)]+)\)",
}
"""Of the README in each language, by pattern."""


@pytest.mark.parametrize("what", EQUAL)
def test_the_russian_readme_is_equal_to_the_english_one(what: str) -> None:
    english, russian = (
        re.findall(EQUAL[what], read(name), re.MULTILINE) for name in ("README.md", "README.ru.md")
    )
    assert english
    assert russian == english
    assert "(README.ru.md)" in read("README.md")
    assert "(README.md)" in read("README.ru.md")


def test_every_task_of_the_keyboards_list_is_done_by_a_test() -> None:
    section = read("docs/page.md").partition("## With the keyboard alone")[2].partition("##")[0]
    tasks = re.findall(r"^- (.*)$", section, re.MULTILINE)
    tests = ast.parse(read("tests/browser/test_keyboard.py")).body
    done = [
        ast.get_docstring(test)
        for test in tests
        if isinstance(test, ast.AsyncFunctionDef) and test.name.startswith("test_")
    ]
    assert tasks
    assert done == tasks


def test_the_page_is_shown_in_the_pictures_that_there_are() -> None:
    shown = re.findall(r"^!\[[^\]]+\]\(([^)]+)\)$", read("docs/page.md"), re.MULTILINE)
    kept = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.png")}
    assert kept
    assert set(shown) == kept
    assert len(shown) == len(kept)
