"""Answers rendered by their schemas, so that what is documented is what is sent."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

import orjson
from marshmallow import Schema, fields, validate

from server.access import OF_THINGS, Right
from server.handlers.http.answers import API
from server.models import Run
from server.services.hosts.roll import HostOf


class MayOf:
    """What whoever an answer is for may do with the command of an id, and with its runs.

    `host_of` tells of the hosts that have them.
    """

    __slots__ = ("_may", "host_of")

    def __init__(
        self, may: Callable[[UUID], Sequence[str]], host_of: HostOf = lambda _: None
    ) -> None:
        self._may = may
        self.host_of = host_of

    def __call__(self, command_id: UUID) -> Sequence[str]:
        """Return the names of the rights."""
        return self._may(command_id)


nothing = MayOf(lambda _: ())
"""Nothing may be done."""


class AnswerSchema(Schema):
    """The shape of an answer; each field's `attribute` says where in a view its value is."""

    hidden: ClassVar[Mapping[str, object]] = {}
    """What those see of some fields who may not operate the command; it has a field `may`."""

    @classmethod
    def render(cls, view: object, base: str, may_of: MayOf = nothing) -> dict[str, Any]:
        """Return a view as orjson writes it; the paths in it begin with `base`."""
        # The fields are read once for each schema: marshmallow's own dump looks at them for each
        # value anew, and takes four times as long (23 ms for 1,000 runs instead of 5.5).
        return _renderer(cls, base)(view, may_of)


class PathField(fields.String):
    """A path of the API, made of one attribute: `runs/{id}/output`."""

    def __init__(self, template: str) -> None:
        super().__init__()
        before, _, rest = template.partition("{")
        self.source, _, after = rest.partition("}")
        self.template = f"{before}%s{after}"


class MayField(fields.List[Any]):
    """What whoever asks may do with a thing; `source` is where the id of its command is."""

    def __init__(self, source: str) -> None:
        names = fields.String(validate=validate.OneOf([right.value for right in OF_THINGS]))
        super().__init__(names, metadata={"description": "what whoever asks may do with it"})
        self.source = source

    @staticmethod
    def told(command_id: UUID, may_of: MayOf) -> Sequence[str]:
        """Return the names of the rights."""
        return may_of(command_id)


class HostNameField(fields.String):
    """What the host of a run is called, where there are several."""

    source = "run"

    @staticmethod
    def told(run: Run, may_of: MayOf) -> str | None:
        """Return it."""
        seen = None if run.host is None else may_of.host_of(run.host)
        return None if seen is None else seen.name


class AwaySinceField(fields.DateTime):
    """Since when the host of a run that goes on has not been heard of."""

    source = "run"

    @staticmethod
    def told(run: Run, may_of: MayOf) -> datetime | None:
        """Return it; None: it is there, or the run has ended."""
        seen = None if run.host is None or run.state.final else may_of.host_of(run.host)
        return None if seen is None else seen.away_since


class SortedField(fields.List[Any]):
    """A set, which JSON does not have: it is answered as a list in order."""


SOURCED = (PathField, MayField, HostNameField, AwaySinceField)


def plain(rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was rendered as nothing but JSON's own types."""
    values: dict[str, Any] = orjson.loads(orjson.dumps(rendered))
    return values


@cache
def _renderer(schema: type[Schema], base: str) -> Callable[[object, MayOf], dict[str, Any]]:
    declared = schema().fields
    sources = [
        field.source if isinstance(field, SOURCED) else field.attribute or name
        for name, field in declared.items()
    ]
    # attrgetter returns a tuple only for two names or more: the first is given twice, and the
    # last value is left out by zip.
    values_of = attrgetter(*sources, sources[0])
    converts = [(name, _convert(field, base)) for name, field in declared.items()]
    hidden = schema.hidden if issubclass(schema, AnswerSchema) else {}

    def render(view: object, may_of: MayOf) -> dict[str, Any]:
        rendered: dict[str, Any] = {
            name: value if convert is None or value is None else convert(value, may_of)
            for (name, convert), value in zip(converts, values_of(view), strict=False)
        }
        if hidden and Right.OPERATE not in rendered["may"]:
            rendered.update(hidden)
        return rendered

    return render


def _convert(field: fields.Field[Any], base: str) -> Callable[[Any, MayOf], object] | None:
    """Return what makes a value one that orjson writes; None where it writes it as it is."""
    match field:
        case PathField():
            template = f"{base}{API}/{field.template}"
            return lambda value, _: template % value
        case MayField() | HostNameField() | AwaySinceField():
            return field.told
        case fields.Nested():
            return _renderer(type(field.schema), base)
        case SortedField():
            return lambda value, _: sorted(value)
        case fields.List(inner=fields.Nested() as inner):
            render = _renderer(type(inner.schema), base)
            return lambda values, may_of: [render(value, may_of) for value in values]
        case _:
            return None
