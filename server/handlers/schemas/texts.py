"""What the texts of a command may hold; each check raises marshmallow's ValidationError."""

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError, fields, validate

from server.access import DEFAULT_GROUP, GROUP_NAME

NAME_CHARACTERS = 64
GROUP_METADATA = {
    "description": "the group that the command belongs to: who may do what with it",
    "example": DEFAULT_GROUP,
}
BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, and yet nothing is seen of them."""

# The latter make what follows look like another text (Unicode Technical Report 36, 2.3).
_NOT_PRINTED = r"\x7f-\x9f\u2028\u2029" r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
CONTROLS = re.compile(rf"[\x00-\x1f{_NOT_PRINTED}]")
CONTROLS_IN_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f{_NOT_PRINTED}]")


def storable(text: str) -> None:
    """Refuse NUL, which PostgreSQL's text cannot hold."""
    if "\0" in text:
        raise ValidationError("It must not contain NUL characters.")


def not_blank(text: str) -> None:
    """Refuse blanks alone."""
    if not text.strip():
        raise ValidationError("It must not be empty.")


def visible(text: str) -> None:
    """Refuse what nothing is seen of."""
    for one in text[:NAME_CHARACTERS]:
        category = unicodedata.category(one)
        # A character that Unicode has not named yet, or somebody's own, may show.
        if one not in BLANK_LETTERS and (category[0] not in "CMZ" or category in {"Cn", "Co"}):
            return
    raise ValidationError("It must not be empty: it needs a visible character.")


def one_line(text: str) -> None:
    """Refuse control characters, and ends of lines among them."""
    _no_controls(text, CONTROLS)


def plain_text(text: str) -> None:
    """Refuse control characters but tabs and ends of lines."""
    _no_controls(text, CONTROLS_IN_LINES)


def _no_controls(text: str, controls: re.Pattern[str]) -> None:
    found = controls.search(text)
    if found is not None:
        code = f"U+{ord(found[0]):04X}"
        raise ValidationError(f"It must not contain control characters such as {code}.")


def encodable(text: str) -> None:
    """Refuse what UTF-8 cannot write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValidationError("It must not contain lone surrogates.") from error


def name(*, example: str = "Count to ten", **options: Any) -> fields.String:
    """Return the field of a name, such as a command's."""
    return fields.String(
        **options,
        validate=[
            validate.Length(max=NAME_CHARACTERS),
            visible,
            one_line,
            encodable,
            storable,
        ],
        metadata={"description": "up to 64 characters", "example": example},
    )


def group(**options: Any) -> fields.String:
    """Return the field of a group's name."""
    return fields.String(
        **{"metadata": GROUP_METADATA, **options},
        validate=validate.Regexp(
            re.compile(f"(?:{GROUP_NAME.pattern})\\Z"),
            error="It takes 1 to 63 of a-z, 0-9, `.`, `_` and `-`, with a letter or digit first.",
        ),
    )


def run_as(**options: Any) -> fields.String:
    """Return the field of whom a command's runs are started as."""
    return fields.String(
        **options,
        allow_none=True,
        validate=[not_blank, encodable, storable],
        metadata={
            "description": "user of the server's host whom the runs are started as, one of"
            " TAILRUN_RUN_AS_USERS; null: as the settings say. For admins to set",
            "example": None,
        },
    )


def description(**options: Any) -> fields.String:
    """Return the field of a command's description."""
    return fields.String(
        **options,
        allow_none=True,
        validate=[plain_text, encodable, storable],
        metadata={"description": "free text or null", "example": "A line a second"},
    )


def script(**options: Any) -> fields.String:
    """Return the field of a command's script."""
    return fields.String(
        **options,
        validate=[not_blank, encodable, storable],
        metadata={
            "description": "a bash script (sh where there is no bash), or one in any language whose"
            " first line names its interpreter (#!)",
            "example": "for i in $(seq 10); do echo line $i; sleep 1; done",
        },
    )
