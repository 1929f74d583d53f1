"""The page's words, as its tables have them."""

import json
import re
from collections.abc import Mapping
from functools import cache

from server.resources import static_directory

TEXT = re.compile(r'^  "([\w.-]+)":\s*("(?:[^"\\]|\\.)*"),$', re.MULTILINE)
"""A key with its text; those with plural forms are not asked for."""


@cache
def words(language: str) -> Mapping[str, str]:
    """Return the texts of a language, by key; `{name}` stands for a value."""
    table = (static_directory() / "js" / "words" / f"{language}.js").read_text(encoding="utf-8")
    return {key: json.loads(text) for key, text in TEXT.findall(table)}


def said(language: str, text: str, **values: object) -> str:
    """Return the text of a key with its values, or what is no key as it is."""
    texts = words(language)
    return texts[text].format(**values) if text in texts else text
