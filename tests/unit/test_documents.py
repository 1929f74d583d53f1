"""The documents name only files that there are."""

import re
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")
ROOMS = ("server", "static", "migrations", "docs", "scripts", "tests", "bench", ".ci")

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
