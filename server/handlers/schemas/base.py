"""What all schemas of input have in common: they refuse unknown fields, and load values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from server.models import RunState

NAMED_CHARACTERS = 40
"""Of a value that is refused, in a message."""

PAGE_LIMIT = 50
MAX_PAGE_LIMIT = 500
MAX_IDS = 50
"""That one list is asked for."""


class StrictSchema(Schema):
    """A schema that refuses unknown fields by name, and makes a value of those that it knows."""

    value: ClassVar[Callable[..., object]]
    """What takes the fields, by their names."""

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> object:
        return type(self).value(**data)


class PartSchema(Schema):
    """A part of a definition: it refuses unknown fields, and takes null for what is not said."""

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE

    @post_load
    def _said(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class ShortList(fields.List[Any]):
    """A list whose length is looked at before its items are read, which may take long."""

    def __init__(
        self, inner: fields.Field[Any], *, most: int, least: int | None = None, **options: Any
    ) -> None:
        self._length = validate.Length(min=least, max=most)
        further = options.pop("validate", [])
        super().__init__(inner, validate=[self._length, *further], **options)

    def deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        """Count, and read."""
        if isinstance(value, list):
            self._length(value)
        return super().deserialize(value, *given, **named)


class ShortDict(fields.Dict):
    """An object whose entries are counted before they are read, which may take long."""

    def __init__(self, *, most: int, **options: Any) -> None:
        self._length = validate.Length(max=most)
        further = options.pop("validate", [])
        super().__init__(validate=[self._length, *further], **options)

    def deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        """Count, and read."""
        if isinstance(value, dict):
            self._length(value)
        return super().deserialize(value, *given, **named)


class StatesField(fields.String):
    """States of runs, as `failed,lost`; loaded as a set, empty where none is asked for."""

    def __init__(self, description: str) -> None:
        super().__init__(
            load_default=frozenset,  # a function of marshmallow's: no description names it
            metadata={
                "description": f"{description}; several are separated by commas, such as"
                f" `failed,lost`: {', '.join(RunState)}",
            },
        )

    def _deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        names = super()._deserialize(value, *given, **named).split(",")
        unknown = [name for name in names if name not in {*RunState}]
        if unknown:
            raise ValidationError(
                f"There is no state {unknown[0][:NAMED_CHARACTERS]!r};"
                f" those that there are: {', '.join(RunState)}."
            )
        return frozenset(map(RunState, names))


class IdsField(fields.String):
    """Ids, separated by commas; loaded as a set, empty where none is asked for."""

    def __init__(self, description: str) -> None:
        super().__init__(
            load_default=frozenset,
            metadata={"description": f"{description}: ids, separated by commas, {MAX_IDS} at most"},
        )

    def _deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        ids = super()._deserialize(value, *given, **named).split(",")
        if len(ids) > MAX_IDS:
            raise ValidationError(f"Give {MAX_IDS} ids at most; these are {len(ids)}.")
        try:
            return frozenset(map(UUID, ids))
        except ValueError:
            raise ValidationError("Not valid ids, separated by commas.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAsked:
    """Which page of a list: so many items from a cursor on, None for the first."""

    limit: int
    cursor: str | None


class PageQuery(StrictSchema):
    """Which page of a list."""

    value: ClassVar[Callable[..., object]] = PageAsked

    limit = fields.Integer(
        load_default=PAGE_LIMIT,
        validate=validate.Range(min=1, max=MAX_PAGE_LIMIT),
        metadata={"description": "items a page"},
    )
    cursor = fields.String(load_default=None, metadata={"description": "`next` of the page before"})
