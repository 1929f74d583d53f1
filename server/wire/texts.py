"""Texts that another host says, which are logged and shown to people here. Pure."""


def line(text: str, characters: int) -> str:
    """Return so many characters of a text, as one line: each that cannot be seen is a blank.

    A worker that was stolen could else write lines of its own into the log, or move the cursor of
    whoever reads it in a terminal.
    """
    return "".join(one if one.isprintable() else " " for one in text[:characters])
