r"""What is searched for, as RE2 reads it. Pure.

A line is matched by itself, whatever lies around it, as grep does: `^` and `$` are its ends, and
nothing matches ``\n``. RE2 takes linear time, lets other threads go on meanwhile, and knows UTF-8:
a character is one of Unicode's, and a byte that is no part of one is matched by nothing.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import re2

from server.errors import PatternRefusedError
from server.services.search.charsets import UTF8, Charset

MAX_INSTRUCTIONS = 2000
"""Of a pattern, as RE2 has compiled it. Where it cannot be made into a table, a byte takes time in
proportion to it, and is not interrupted: 10 µs then."""

MEMORY_BYTES = 4 * 1024 * 1024
"""Of RE2 for each pattern, for the table that it makes while it searches."""

BATCH_LINES = 64
BATCH_INSTRUCTIONS = 2048
"""A batch is as many times as large as the pattern as it has lines."""
MIN_BATCH_LINES = 8

# Not RE2's \b, which knows ASCII's letters alone: letters, digits and _ of whatever script make a
# word. These are named by what they are not, as RE2 makes 2,000 instructions of \pL and ten of
# this: ASCII's signs, those of Latin-1, and the blocks of punctuation, arrows, frames and symbols.
_APART_ASCII = r"\x00-\t\x0b-/:-@\[-\^`{-\x7f"
_APART_BEYOND = (
    *(range(0x80, 0xAA), range(0xAB, 0xB5), range(0xB6, 0xBA), range(0xBB, 0xC0)),
    *(range(0xD7, 0xD8), range(0xF7, 0xF8), range(0x2000, 0x2070), range(0x2190, 0x2C00)),
    *(range(0x3000, 0x3005), range(0x3008, 0x3021)),
)
_APART_UTF8 = "".join(rf"\x{{{of.start:x}}}-\x{{{of.stop - 1:x}}}" for of in _APART_BEYOND)

_TOKENS = re.compile(
    r"""(?P<quoted>\\Q.*?(?:\\E|\Z))
    | (?P<escape>\\(?:[pPx]\{[^}]*\}|.))
    | (?P<set>\[\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*\])
    | (?P<flags>\(\?[a-zA-Z]*-[a-zA-Z]*m)
    | .""",
    re.VERBOSE | re.DOTALL,
)
_IN_SET = re.compile(r"\\[pPx]\{[^}]*\}|\\.|\[:[^\]]*:\]|.", re.DOTALL)
_OF_UNICODE = re.compile(
    r"(?<!\\)(?:\\\\)*(\\(?:[pPx]\{[^}]*\}|[pP].|x[89a-fA-F].)|\(\?[a-zA-Z]*-?[a-zA-Z]*i)"
)
"""What RE2 reads by Unicode's numbers and letters, also where it does not know them."""

_BLANKS = r"\t\f\r "
_ENDS = {r"\A": "(?m:^)", r"\z": "(?m:$)", r"\s": f"[{_BLANKS}]"}
_WITHIN_LINES = re.compile(r"\\[dDwWSbB]|\\[^\w]|\\[tfrv](?!-)|[^\\\x00-\x1f]|\\[pP].*", re.DOTALL)
"""Tokens that match no newline; RE2 is told that negated sets do not."""


class Match(NamedTuple):
    """Where something was found: [start, end) in the bytes that were looked at."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for: a text, or with `regex` a pattern; `case`: as it is written.

    `encoding`, that of the output, is the label of UTF-8 or of one of `charsets.CODECS`.
    """

    text: str
    regex: bool = False
    case: bool = False
    word: bool = False
    encoding: str = UTF8


class Pattern:
    """A query that can be searched for.

    Raises:
        PatternRefusedError: RE2 cannot read it, or it is too large.
    """

    def __init__(self, query: Query) -> None:
        own, self._within_lines = _lines_only(query) if query.regex else (_literal(query), True)
        self.encoding = query.encoding
        self._charset = None
        apart = _APART_ASCII + _APART_UTF8
        if query.encoding != UTF8:
            self._charset = charset = Charset(query.encoding, case=query.case)
            own, apart = charset.pattern(own), _APART_ASCII + charset.among(_APART_BEYOND)
        self._translated = (b"", b"")
        before, after = (f"(?m:^|[{apart}])", f"(?m:$|[{apart}])") if query.word else ("", "")
        whole = f"{before}(?m:{own}){after}"
        self._one = _compile(whole, query)
        size = self._one.programsize
        if size > MAX_INSTRUCTIONS:
            raise PatternRefusedError(
                f"The pattern is too large: it takes {size:,} steps of at most"
                f" {MAX_INSTRUCTIONS:,}. Repeat less in it, or search for a part of it."
            )
        self._shown = _compile(f"{before}((?m:{own})){after}", query, groups=True)
        lines = min(BATCH_LINES, BATCH_INSTRUCTIONS // size)
        self.batch_lines = lines if lines >= MIN_BATCH_LINES and self._within_lines else 0
        """Matching lines that `batch` looks for at once; 0: it cannot."""
        # \C: any byte; lazy, so that lines are taken as early as they match. The one after the end
        # of a line is its newline, which a pattern that never matches newlines cannot name.
        batch = rf"(?:\C*?{whole}\C*?(?m:$)\C){{{max(1, self.batch_lines)}}}"
        self._batch = _compile(batch, query)

    def first(self, data: bytes, start: int, end: int) -> Match | None:
        """Return the first match in [start, end), which begins a line."""
        data = self._readable(data)
        while start <= end:
            found = self._one.search(data, start, end)
            if found is None:
                return None
            match = Match(*found.span())
            newline = -1 if self._within_lines else data.find(b"\n", *match)
            if newline < 0:
                return match
            # A set that has a newline in it has matched across lines: this one is looked at alone.
            line = max(start, data.rfind(b"\n", start, match.start) + 1)
            if alone := self._one.search(data, line, newline):
                return Match(*alone.span())
            start = newline + 1
        return None

    def batch(self, data: bytes, start: int, end: int) -> int:
        """Return where the next `batch_lines` matching lines end; -1 when there are fewer.

        Both `start` and `end` begin a line.
        """
        found = self._batch.match(self._readable(data), start, end)
        return -1 if found is None else int(found.end())

    def shown(self, data: bytes, start: int, end: int) -> Match:
        """Return what to show as found in [start, end) of a line that matches.

        That is a word without what is beside it.
        """
        found = self._shown.search(self._readable(data), start, end)
        assert found is not None, "the line matches"
        return Match(*found.span(1))

    def _readable(self, data: bytes) -> bytes:
        """Return bytes as RE2 is to see them; those seen last are kept: they come again."""
        if self._charset is None:
            return data
        if self._translated[0] is not data:
            self._translated = (data, data.translate(self._charset.table))
        return self._translated[1]


def _literal(query: Query) -> str:
    if "\n" in query.text:
        raise PatternRefusedError("Text is searched for within lines: give it without line ends.")
    escaped: str = re2.escape(query.text)
    return escaped


def _lines_only(query: Query) -> tuple[str, bool]:
    """Return a pattern that takes the ends of lines for those of the text.

    Also return whether it is known to match no newline.
    """
    # What is wrong is told in the pattern as it was given.
    _compile(query.text, replace(query, encoding=UTF8))
    if query.encoding != UTF8 and (unknown := _OF_UNICODE.search(query.text)):
        raise PatternRefusedError(
            f"{unknown[1]!r} (at character {unknown.start(1) + 1}) is not known in"
            f" {query.encoding}: name characters by themselves, and case by `case`."
        )
    tokens = list(_TOKENS.finditer(query.text))
    for token in tokens:
        if token["flags"] or token[0] == r"\C":
            raise PatternRefusedError(
                f"The pattern cannot be used: each line is matched by itself, so {token[0]!r}"
                f" (at character {token.start() + 1}) has no meaning."
            )
    parts = [_part(token) for token in tokens]
    within = all(_keeps_to_lines(token[0], part) for token, part in zip(tokens, parts, strict=True))
    return "".join(parts), within


def _part(token: re.Match[str]) -> str:
    if token["set"]:
        return _in_set(token[0])
    # What is quoted to the end of the pattern ends before what is put behind it.
    is_open = token["quoted"] is not None and not token[0].endswith(r"\E")
    return token[0] + r"\E" if is_open else _ENDS.get(token[0], token[0])


def _in_set(text: str) -> str:
    """Return a set of characters whose blanks have no newline among them."""
    return "".join(_BLANKS if one[0] == r"\s" else one[0] for one in _IN_SET.finditer(text))


def _keeps_to_lines(token: str, part: str) -> bool:
    if token.startswith("["):
        inner = _IN_SET.findall(part[1:-1].removeprefix("^"))
        return all(_WITHIN_LINES.fullmatch(one) for one in inner) and r"\t-" not in part
    return token in _ENDS or _WITHIN_LINES.fullmatch(token) is not None


def _compile(pattern: str, query: Query, *, groups: bool = False) -> Any:
    options = re2.Options()
    options.case_sensitive = query.case
    options.never_nl = True
    options.never_capture = not groups
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    if query.encoding != UTF8:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        codec = UTF8 if query.encoding == UTF8 else "latin-1"
        return re2.compile(pattern.encode(codec, "surrogatepass"), options)
    except re2.error as error:
        raise PatternRefusedError(_told(query.text, error)) from error
    finally:
        re2.purge()  # it would keep the last 128 patterns, each with its memory


def _told(text: str, error: Exception) -> str:
    """Say what RE2 says of a pattern, and where that is."""
    words = error.args[0]
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    place = text.find(said.partition(": ")[2]) if ": " in said else -1
    where = f" (at character {place + 1})" if place >= 0 else ""
    return f"The pattern cannot be read: {said}{where}."
