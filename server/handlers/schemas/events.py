"""Events over HTTP: from where on they are told."""

from dataclasses import dataclass

from marshmallow import fields, validate

from server.handlers.schemas.base import StrictSchema

MAX_SEQUENCE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class EventsAsked:
    """The sequence up to which whoever asks knows of all; None: of nothing."""

    since: int | None


class EventsQuery(StrictSchema):
    """From where on events are told."""

    value = EventsAsked

    since = fields.Integer(
        load_default=None,
        validate=validate.Range(min=0, max=MAX_SEQUENCE),
        metadata={"description": "the `sequence` of the last frame that came"},
    )
