"""Output in the page is what a terminal shows of it: @xterm/headless beside it, fed the same.

What is knowingly different stands in docs/page.md.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.resources import static_directory
from tests.browser.recordings import COLUMNS, RECORDINGS, ROWS

HERE = Path(__file__).parent


@dataclass
class Peer:
    """A process of Node that shows output by the page's modules and by xterm."""

    process: subprocess.Popen[str]

    def show(
        self, output: bytes, cuts: Sequence[int] = (), *, columns: int, rows: int
    ) -> dict[str, Any]:
        """Return the rows of each by `screen`, `lines` and `xterm`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {
            "bytes": base64.b64encode(output).decode(),
            "cuts": list(cuts),
            "columns": columns,
            "rows": rows,
        }
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Node takes a file for a module by the package.json above it."""
    place = tmp_path_factory.mktemp("terminal")
    for part in ("js", "vendor"):
        shutil.copytree(static_directory() / part, place / part)
    for name in ("package.json", "terminal_peer.mjs"):
        shutil.copy(HERE / name, place)
    command = ["node", str(place / "terminal_peer.mjs")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Peer(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 0


TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    st.sampled_from(
        ["漢字", "\uff57", "e\u0301", "\u0301", "😀", "👩\u200d🚀", "привет", "한글", "\ufffd"]
    ),
)
CONTROLS = st.sampled_from(list("\r\b\v\f\0\a\x0e\x0f\x7f\x84\x85\x8d\x18") + ["\t", "\n"] * 6)
NUMBERS = st.one_of(st.just(""), st.integers(0, 12).map(str), st.sampled_from(["99", "9999"]))
MOTIONS = st.builds("\x1b[{}{}".format, NUMBERS, st.sampled_from("ABCDEFGZI`adeLMP@XST"))
PLACES = st.builds("\x1b[{};{}{}".format, NUMBERS, NUMBERS, st.sampled_from("Hfr"))
ERASING = st.sampled_from(
    ["\x1b[J", "\x1b[0J", "\r\x1b[1J", "\x1b[2J", "\x1b[K", "\x1b[0K", "\x1b[1K", "\x1b[2K"]
)
"""xterm 6.0.0 throws where CSI 1 J is written in the screen's last cell."""
REPEATING = st.integers(1, 9).map("\x1b[{}b".format)
SELECTED = [*map(str, (0, 1, 2, 3, 4, 7, 8, 9, 21, 22, 23, 24, 27, 28, 29, 31, 42, 53, 55, 97))]
COLOURS = st.lists(st.sampled_from([*SELECTED, "38;5;208", "48;2;1;2;3"]), max_size=3).map(
    lambda codes: f"\x1b[{';'.join(codes)}m"
)
MODES = st.builds(
    "\x1b[{}{}".format,
    st.sampled_from(["4", "20", "?6", "?7", "?25", "?45", "?1049", "?47", "?2004"]),
    st.sampled_from("hl"),
)
STRINGS = ["\x1b]0;title\x07", "\x1b]52;c;eA==\x07", "\x1bPq\x1b\\", "\x1b_x\x1b\\"]
LINKS = ["\x1b]8;;https://a.example\x1b\\", "\x1b]8;;\x07"]
ASKING = ["\x1b[6n", "\x1b[>c", "\x1b[1 q"]
CURSOR = ["\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bM", "\x1b[s", "\x1b[u", "\x1b#8"]
TABS_AND_SETS = ["\x1bH", "\x1b[3g", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b[!p"]
ESCAPES = st.sampled_from([*STRINGS, *LINKS, *ASKING, *CURSOR, *TABS_AND_SETS, "\x1b[", "\x1b"])
TOKENS = st.one_of(
    TEXTS, TEXTS, CONTROLS, CONTROLS, MOTIONS, PLACES, ERASING, REPEATING, COLOURS, MODES, ESCAPES
)
OUTPUTS = st.lists(TOKENS, max_size=40).map(lambda tokens: "".join(tokens).encode())


@settings(max_examples=400)
@given(data=st.data(), output=OUTPUTS, columns=st.integers(9, 40), rows=st.integers(2, 12))
def test_random_output_is_shown_as_xterm_shows_it(
    peer: Peer, data: st.DataObject, output: bytes, columns: int, rows: int
) -> None:
    marked = b"\x1b[m" + output  # tabs are blanks from the first byte on
    cuts = data.draw(st.lists(st.integers(0, len(marked)), max_size=6).map(sorted))
    told = peer.show(marked, cuts, columns=columns, rows=rows)
    assert told["screen"] == told["xterm"]
    assert told["lines"] == told["xterm"]


@settings(max_examples=60)
@given(output=OUTPUTS, columns=st.integers(9, 20), rows=st.integers(2, 6))
def test_output_that_is_cut_at_every_byte_is_shown_as_xterm_shows_it(
    peer: Peer, output: bytes, columns: int, rows: int
) -> None:
    marked = b"\x1b[m" + output
    told = peer.show(marked, range(len(marked)), columns=columns, rows=rows)
    assert told["screen"] == told["xterm"]


@settings(max_examples=100)
@given(plain=st.lists(TEXTS | st.just("\n"), max_size=60), output=OUTPUTS)
def test_a_terminal_that_is_needed_late_shows_what_one_from_the_start_would(
    peer: Peer, plain: list[str], output: bytes
) -> None:
    text = ("".join(plain) + output.decode()).replace("\t", " ").replace("\u0301", "")
    told = peer.show(text.encode(), columns=30, rows=5)
    assert told["screen"] == told["xterm"]


@pytest.mark.parametrize("tool", RECORDINGS)
def test_what_real_tools_write_is_shown_as_xterm_shows_it(
    peer: Peer, tool: str, tmp_path: Path
) -> None:
    output = RECORDINGS[tool](tmp_path)
    assert b"\r" in output.replace(b"\r\n", b"") or b"\x1b[" in output
    for columns, rows in [(COLUMNS, ROWS), (512, ROWS)]:
        told = peer.show(output, range(97, len(output), 97), columns=columns, rows=rows)
        assert told["screen"] == told["xterm"]
        assert told["lines"] == told["xterm"]
