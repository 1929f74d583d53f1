"""The page's pure modules, in Node: what needs no browser to be tested."""

import shutil
import subprocess
from pathlib import Path

from server.resources import static_directory

HERE = Path(__file__).parent


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
