"""Workers, as they are answered."""

from marshmallow import fields, validate

from server.handlers.http.rendering import AnswerSchema
from server.services.fleet.suitable import Lack
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
    draining = fields.Boolean(
        metadata={
            "description": "whether it is to get no more runs, also where it is `unreachable`"
        }
    )
    role = fields.String(
        attribute="worker.role",
        validate=validate.OneOf(["worker", "server"]),
        metadata={"description": "`server`: the host inside one"},
    )
    pools = fields.List(fields.String(), attribute="worker.pools")
    labels = fields.List(fields.String(), attribute="worker.labels")
    places = fields.Integer(
        attribute="worker.places", metadata={"description": "how many runs it has at once"}
    )
    running = fields.Integer(
        metadata={"description": "how many it has now, of whatever groups; `queued` ones count"}
    )
    version = fields.String(attribute="worker.version")
    seen_at = fields.DateTime(format="iso", attribute="worker.seen_at")
    enrolled_at = fields.DateTime(
        format="iso",
        attribute="worker.enrolled_at",
        allow_none=True,
        metadata={"description": "null: of before workers were enrolled, or a server"},
    )


class InVainSchema(AnswerSchema):
    """Runs that wait, and why no worker can have them now."""

    why = fields.Enum(
        Lack,
        by_value=fields.String,
        metadata={
            "description": "`no_worker`: the pool has none; `no_labels`: none has all of"
            " `requires`; `away`, `draining`: those that have are so"
        },
    )
    requires = fields.List(fields.String())
    waiting = fields.Integer()
    oldest_at = fields.DateTime(format="iso")


class PoolSchema(AnswerSchema):
    """A pool, with the runs that wait in it."""

    name = fields.String(metadata={"example": "build"})
    waiting = fields.Integer(
        metadata={"description": "how many runs that whoever asks may see wait for a worker"}
    )
    oldest_at = fields.DateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "when the first of them was made; null: none waits"},
    )
    in_vain = fields.List(
        fields.Nested(InVainSchema),
        metadata={"description": "what of them no worker can have now, by the labels it requires"},
    )


class WorkersSchema(AnswerSchema):
    """All workers, and all pools."""

    is_met = fields.Boolean(
        allow_none=True,
        metadata={"description": "whether this server reaches NATS now; null: it meets no workers"},
    )
    items = fields.List(fields.Nested(WorkerSchema))
    pools = fields.List(
        fields.Nested(PoolSchema),
        metadata={"description": "those that workers are of, and those in which runs wait"},
    )
