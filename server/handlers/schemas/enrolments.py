"""Enrolment of workers over HTTP: what is asked for, and answered."""

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from server.definition import KEY, LABEL
from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import ShortList, StrictSchema
from server.services.fleet.enrolments import Changes
from server.services.fleet.workers import WorkerPresence

MAX_POOLS = 100
MAX_LABELS = 100
MAX_PLACES = 10_000
DEFAULT_PLACES = 100
HOST_CHARACTERS = 64
SECRET_CHARACTERS = 200


def pools_field(**options: Any) -> ShortList:
    """Return the field of a worker's pools."""
    return ShortList(
        fields.String(
            validate=validate.Regexp(KEY, error="It takes 1 to 64 of a-z, 0-9 and `-`."),
            metadata={"pattern": "^[a-z0-9-]{1,64}$"},
        ),
        least=1,
        most=MAX_POOLS,
        metadata={"description": "whose commands it runs", "example": ["build"]},
        **options,
    )


def labels_field(**options: Any) -> ShortList:
    """Return the field of a worker's labels."""
    return ShortList(
        fields.String(
            validate=validate.Regexp(
                LABEL,
                error="It is key=value, each of up to 64 letters, digits, `_`, `.` and `-`.",
            ),
            metadata={"pattern": f"^{LABEL.pattern[:-2]}$"},
        ),
        most=MAX_LABELS,
        metadata={
            "description": "what it has that commands may require",
            "example": ["arch=arm64"],
        },
        **options,
    )


def places_field(**options: Any) -> fields.Integer:
    """Return the field of how many runs a worker has at once."""
    return fields.Integer(
        strict=True,
        validate=validate.Range(1, MAX_PLACES),
        metadata={
            "description": "runs at once; TAILRUN_MAX_CONCURRENT_RUNS there bounds them, too",
            "example": DEFAULT_PLACES,
        },
        **options,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTokenAsked:
    """A token for a worker that is to be of these pools."""

    pools: list[str]
    labels: list[str]
    places: int


class WorkerTokenBody(StrictSchema):
    """A new token of a worker."""

    value = WorkerTokenAsked

    pools = pools_field(required=True)
    labels = labels_field(load_default=[])
    places = places_field(load_default=DEFAULT_PLACES)


class WorkerTokenSchema(AnswerSchema):
    """A new token of a worker, of a NewToken."""

    token = fields.String(
        attribute="secret",
        metadata={"description": "the secret, which is shown this once and stored nowhere"},
    )
    expires_at = fields.DateTime(format="iso")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolAsked:
    """A worker that is to be enrolled."""

    token: str
    name: str
    public_key: str
    version: str
    host: str


class EnrolBody(StrictSchema):
    """A worker that is to be enrolled."""

    value = EnrolAsked

    token = fields.String(
        required=True,
        validate=[validate.Length(max=SECRET_CHARACTERS), texts.encodable],
        metadata={
            "description": "made by `POST workers/tokens`, and good for one worker",
            "example": "tlw_…",
        },
    )
    name = texts.name(required=True, example="build-1")
    public_key = fields.String(
        required=True,
        validate=validate.Regexp(
            r"U[A-Z2-7]{55}\Z", error="It is no public nkey of a user, which begins with U."
        ),
        metadata={"description": "the nkey by which NATS is to know it", "example": "UA…"},
    )
    version = texts.name(required=True, example="1.0")
    host = fields.String(
        required=True,
        validate=validate.Regexp(
            rf"[!-~]{{1,{HOST_CHARACTERS}}}\Z",
            error=f"It takes 1 to {HOST_CHARACTERS} visible ASCII characters.",
        ),
        metadata={
            "description": "the identity of its state directory",
            "example": "5ab3d1c8-5b0a-4f6e-9d5b-0c6c1c4f0f7e",
        },
    )


class EnrolledSchema(AnswerSchema):
    """What a worker is told when it is enrolled, of an Enrolled."""

    name = fields.String()
    pools = fields.List(fields.String(), attribute="place.pools")
    labels = fields.List(fields.String(), attribute="place.labels")
    places = fields.Integer(attribute="place.places")
    nats_url = fields.List(
        fields.String(), attribute="terms.nats_url", metadata={"description": "where hosts meet"}
    )
    nats_ca = fields.String(
        attribute="terms.nats_ca",
        allow_none=True,
        metadata={"description": "certificates in PEM that it is known by; null: the system's"},
    )
    verify_keys = fields.List(
        fields.String(),
        attribute="terms.verify_keys",
        metadata={"description": "public keys by which the worker knows servers"},
    )


def _wanted(state: WorkerPresence) -> None:
    if state not in {WorkerPresence.ACTIVE, WorkerPresence.DRAINING}:
        raise ValidationError("It takes active or draining. DELETE removes a worker.")


class WorkerChangesBody(StrictSchema):
    """What is to be changed of a worker."""

    value = Changes

    state = fields.Enum(
        WorkerPresence,
        by_value=fields.String,
        validate=_wanted,
        metadata={
            "description": "draining: it gets no more runs, and those that it has go on",
            "example": "draining",
            "enum": ["active", "draining"],
        },
    )
    pools = pools_field()
    labels = labels_field()
    places = places_field()

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Say what is to be changed: state, pools, labels or places.")
