"""The page's pure modules, in Node: what needs no browser to be tested."""

import re
import shutil
import subprocess
from pathlib import Path

from server.access import Act
from server.resources import static_directory
from server.services.access.oidc.failures import Reason

HERE = Path(__file__).parent
ROOMS = [
    "base",
    "model",
    "words",
    "server",
    "parts",
    "difference",
    "editor",
    "parameters",
    "output",
    "notifications",
    "runs",
    "workers",
    "compare",
    "schedules",
    "hooks",
    "commands",
    "access",
]
"""Of the page's scripts, from the ground up; main.js stands on all of them."""

IMPORT = re.compile(r'(?:from |import |import\()"([./][^"]+)"')


def test_the_pages_pure_modules(tmp_path: Path) -> None:
    """Node takes a file for a module by the package.json above it, which the page has none of."""
    assert shutil.which("node"), (
        "The tests of the page's modules need Node (apt-get install nodejs)."
    )
    for part in ("js", "vendor"):
        shutil.copytree(static_directory() / part, tmp_path / part)
    shutil.copytree(HERE / "modules", tmp_path / "modules")
    shutil.copy(HERE / "package.json", tmp_path)
    told = subprocess.run(
        ["node", "--test", *sorted(map(str, tmp_path.glob("modules/**/*.test.mjs")))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "\n# fail 0\n" in told.stdout
    assert "\n# pass 0\n" not in told.stdout


def test_the_page_has_words_for_every_act_and_every_failed_sign_in() -> None:
    words = (static_directory() / "js" / "words" / "en.js").read_text()
    known = set(re.findall(r'^  "([a-z.-]+)":', words, re.MULTILINE))
    assert {*(f"act.{act}" for act in Act), *(f"sign-in.failed.{why}" for why in Reason)} <= known
    acts = (static_directory() / "js" / "words" / "access.js").read_text()
    assert [act for act in Act if f'"{act}"' not in acts] == []


def test_the_pages_rooms_import_downwards_only() -> None:
    scripts = static_directory() / "js"
    rooms = {path.relative_to(scripts).parts[0] for path in scripts.glob("*/**/*.js")}
    assert rooms == set(ROOMS)
    found = 0
    for script in scripts.glob("*/**/*.js"):
        room = ROOMS.index(script.relative_to(scripts).parts[0])
        for path in IMPORT.findall(script.read_text()):
            imported = (script.parent / path).resolve()
            assert imported.is_file(), f"{script} imports {path}"
            if imported.is_relative_to(scripts):
                found += 1
                below = ROOMS.index(imported.relative_to(scripts).parts[0])
                assert below <= room, f"{script} imports {path}"
    assert found > 100


def test_the_colours_that_contrast_is_reckoned_with_are_those_of_the_style_sheet() -> None:
    tokens = (static_directory() / "css" / "base" / "tokens.css").read_text()
    palette = (static_directory() / "js" / "output" / "terminal" / "palette.js").read_text()
    schemes = tokens.split("@media (prefers-color-scheme: dark)")
    for scheme, told in zip(schemes, palette.split("export const ")[1:], strict=True):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", scheme))
        names = ["surface", "text", *(f"ansi-{index}" for index in range(16))]
        assert re.findall("#[0-9a-f]{6}", told) == [colours[name] for name in names]
