"""The page's files: of one version, however they are asked for, and whatever is on the disk."""

import gzip
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from server.handlers.page.files import INDEX, MOST_BYTES, PageFile, PageFiles, answer
from server.handlers.page.index import PLACE
from server.resources import static_directory

LONG = PageFile(b"export const x = 1;\n" * 100, "text/javascript")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        INDEX: f'<link href="static/css/page.css">\n{PLACE}',
        "js/main.js": "const main = 1;\n",
        "js/opening.js": "",
        "js/screens.js": "",
        "css/page.css": '/* all */\n@import "base/a.css";\n@import "b.css";\n',
        "css/base/a.css": "a {}\n",
        "css/b.css": "b {}\n",
        "vendor/LICENSE": "free",
        "vendor/large.js": "x" * (MOST_BYTES + 1),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def content(files: PageFiles, path: str) -> bytes | None:
    found = files.find(path)
    return None if found is None else found[0].content


def test_a_file_is_found_with_the_version_and_without(root: Path) -> None:
    files = PageFiles(root)
    file, lasts = files.find(f"{files.version}/js/main.js") or pytest.fail("not found")
    assert b"const main = 1;\n" in file.content
    assert (file.content_type, lasts) == ("text/javascript", True)
    assert files.find("js/main.js") == (file, False)
    for path in ("js/nothing.js", f"{files.version}/js/nothing.js", f"{files.version}", ""):
        assert files.find(path) is None, path


def test_the_html_names_the_version(root: Path) -> None:
    files = PageFiles(root)
    assert f'"static/{files.version}/css/page.css"'.encode() in (content(files, INDEX) or b"")


def test_what_another_version_has_is_not_found_here(root: Path) -> None:
    before = PageFiles(root)
    (root / "css/b.css").write_text("b { color: red }\n")
    after = PageFiles(root)
    assert after.version != before.version
    assert after.find(f"{before.version}/js/main.js") is None
    assert after.names(f"{before.version}/js/main.js")
    assert not after.names("vendor/LICENSE")
    assert PageFiles(root).version == after.version


def test_a_file_that_is_changed_on_the_disk_stays_what_it_was(root: Path) -> None:
    files = PageFiles(root)
    (root / "js/main.js").write_text("const main = 2;\n")
    (root / "css/b.css").unlink()
    assert b"const main = 1;\n" in (content(files, "js/main.js") or b"")
    assert content(files, "css/page.css") == b"/* all */\na {}\n\nb {}\n\n"


def test_neither_other_kinds_nor_large_files_are_held(root: Path) -> None:
    files = PageFiles(root)
    assert files.find("vendor/LICENSE") is None
    assert files.find("vendor/large.js") is None


def test_what_the_client_has_is_not_sent_again() -> None:
    for encoding in ("identity", "gzip, deflate, br"):
        asked = {"Accept-Encoding": encoding}
        first = answer(make_mocked_request("GET", "/", asked), LONG)
        tag = first.headers["ETag"]
        again = answer(make_mocked_request("GET", "/", {**asked, "If-None-Match": tag}), LONG)
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
        other = answer(make_mocked_request("GET", "/", {**asked, "If-None-Match": '"x"'}), LONG)
        assert other.status == 200


def test_whoever_takes_gzip_is_sent_less_under_another_tag() -> None:
    plain = answer(make_mocked_request("GET", "/"), LONG)
    zipped = answer(make_mocked_request("GET", "/", {"Accept-Encoding": "gzip"}), LONG)
    assert (plain.body, plain.headers.get("Content-Encoding")) == (LONG.content, None)
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert isinstance(zipped.body, bytes)
    assert len(zipped.body) < len(LONG.content) / 10
    assert gzip.decompress(zipped.body) == LONG.content
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    assert {plain.headers["Vary"], zipped.headers["Vary"]} == {"Accept-Encoding"}
    small = PageFile(b"x", "text/javascript")
    assert answer(make_mocked_request("GET", "/", {"Accept-Encoding": "gzip"}), small).body == b"x"


def test_only_what_has_its_version_in_the_path_lasts() -> None:
    lasting = answer(make_mocked_request("GET", "/"), LONG, lasts=True)
    assert "immutable" in lasting.headers["Cache-Control"]
    assert "Cache-Control" not in answer(make_mocked_request("GET", "/"), LONG).headers


def test_every_style_sheet_of_the_page_is_in_the_one_that_it_loads() -> None:
    """And none refers to another file by a path, which would be another one there."""
    root = static_directory()
    joined = content(PageFiles(root), "css/page.css") or b""
    for path in root.glob("css/*/*.css"):
        assert b"url(" not in path.read_bytes(), path
        assert (path.name == "noscript.css") != (path.read_bytes() in joined), path
    assert b"@import" not in joined
