"""Workers, as they are answered."""

from marshmallow import fields

from server.handlers.http.rendering import AnswerSchema
from server.services.fleet.workers import WorkerPresence


class WorkerSchema(AnswerSchema):
    """A worker: a host that runs commands, and has no database."""

    id = fields.String(
        attribute="worker.id", metadata={"description": "the identity of its state directory"}
    )
    name = fields.String(attribute="worker.name", metadata={"example": "build-1"})
    state = fields.Enum(
        WorkerPresence,
        by_value=fields.String,
        metadata={"description": "`unreachable`: it has not been heard of for its whole lease"},
    )
    pools = fields.List(fields.String(), attribute="worker.pools")
    labels = fields.List(fields.String(), attribute="worker.labels")
    places = fields.Integer(
        attribute="worker.places", metadata={"description": "how many runs it has at once"}
    )
    version = fields.String(attribute="worker.version")
    seen_at = fields.DateTime(format="iso", attribute="worker.seen_at")


class WorkersSchema(AnswerSchema):
    """All workers."""

    items = fields.List(fields.Nested(WorkerSchema))
