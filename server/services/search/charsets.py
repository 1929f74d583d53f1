"""Encodings in which output can be searched, beside UTF-8: those with a byte a character. Pure.

RE2 knows UTF-8 and Latin-1. So the bytes of another encoding are searched as if they were Latin-1,
each put in the place of another, so that characters stand in Unicode's order: a range of letters is
a range of bytes then. Where case does not matter capitals are put where their small letters are,
so a range is one of small letters: `[!-я]` does not have `ё`, whose capital alone stands within.
What is left then ends below 0xE0, so what RE2 takes for a small letter of Latin-1 is never there.
"""

import codecs
from collections.abc import Iterable, Iterator
from functools import cache

from server.errors import PatternRefusedError

UTF8 = "utf-8"
CODECS = {"windows-1251": "cp1251", "ibm866": "cp866"}
"""By the label of the Encoding Standard (https://encoding.spec.whatwg.org/), which pages use."""

UNSEARCHABLE = {"utf-16le", "utf-16be"}
"""Lines end at the byte 10, which is half of a character there."""

_HIGH = 0x80


class Charset:
    """An encoding with a byte a character; with `case`, capitals and small letters differ."""

    def __init__(self, label: str, *, case: bool) -> None:
        self.label = label
        self._case = case
        self._characters = _alphabet(CODECS[label])
        high = sorted({self._folded(one) for one in self._characters[_HIGH:]})
        self._places = {one: chr(_HIGH + place) for place, one in enumerate(high)}
        moved = [ord(self._places[self._folded(one)]) for one in self._characters[_HIGH:]]
        self.table = bytes([*range(_HIGH), *moved])
        """Puts each byte in its place, by bytes.translate."""

    def among(self, ranges: Iterable[range]) -> str:
        """Return those of these code points that the encoding has, in their places: for a set."""
        places = self._places.items()
        return "".join(place for one, place in places if any(ord(one) in of for of in ranges))

    def pattern(self, text: str) -> str:
        """Return a pattern with each character in its place.

        Raises:
            PatternRefusedError: the encoding does not have one of them.
        """
        return "".join(one if ord(one) < _HIGH else self._place(one) for one in text)

    def _place(self, character: str) -> str:
        place = self._places.get(self._folded(character))
        if place is None:
            raise PatternRefusedError(f"There is no {character!r} in {self.label}.")
        return place

    def _folded(self, character: str) -> str:
        return character if self._case else character.lower()


def text_of(data: bytes, label: str) -> str:
    """Return bytes as text; those that are none are shown as U+FFFD."""
    if label == UTF8:
        return data.decode(UTF8, "replace")
    return codecs.charmap_decode(data, "strict", _alphabet(CODECS[label]))[0]


@cache
def _alphabet(codec: str) -> str:
    return "".join(_characters(codec))


def _characters(codec: str) -> Iterator[str]:
    """Iterate over the characters of all bytes; one without any is the control of its number."""
    for byte in range(256):
        try:
            yield bytes([byte]).decode(codec)
        except UnicodeDecodeError:
            yield chr(byte)
