"""Words that are looked for in a text, as LIKE has them."""

import re
from collections.abc import Sequence

from server.repositories.rows import sanitize


def words_of(query: str) -> Sequence[str]:
    """Return the words of what is looked for."""
    return sanitize(query).split()


def like(words: Sequence[str]) -> str:
    """Return the pattern of texts with these words in their order, whatever stands between two."""
    # What has a meaning in LIKE is escaped.
    escaped = [re.sub(r"([\\%_])", r"\\\1", word) for word in words]
    return f"%{'%'.join(escaped)}%"
