"""What a command says of its runs, over HTTP and in files: one schema for all."""

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate

from server.definition import KEY, LABEL, LOST_AFTER_SECONDS, Beyond, OnUnreachable, Options
from server.handlers.schemas import texts
from server.handlers.schemas.base import PartSchema, ShortDict, ShortList
from server.handlers.schemas.names import VARIABLE_NAME, not_ours
from server.handlers.schemas.parameters import ParametersField
from server.models import RunState
from server.services.parameters import MAX_ENVIRONMENT_BYTES, MAX_VALUE_BYTES

MAX_VARIABLES = 200
MAX_NOTIFY = 20
MAX_OCCASIONS = 20
MAX_LABELS = 20
MAX_CONCURRENT = 1000
MAX_RETRIES = 20
MAX_SECONDS = 366 * 86400.0
DAY_SECONDS = 86400.0
LEAST_AWAY_SECONDS = 60.0
PATH_BYTES = 4096
POLICIES = ("stop", "head_and_tail")
EVENTS = ("failed", "recovered", "succeeded", "late", "long")
RETRIED = tuple(state.value for state in (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST))


class ConcurrencySchema(PartSchema):
    """How many runs of the command may go on at a time, and what becomes of a further one."""

    limit = fields.Integer(
        strict=True, required=True, validate=validate.Range(min=1, max=MAX_CONCURRENT)
    )
    beyond = fields.String(
        load_default=Beyond.QUEUE.value,
        validate=validate.OneOf([one.value for one in Beyond]),
        metadata={
            "description": "`queue`: it waits; `refuse`: 409; `replace`: the running one is"
            " stopped, and it starts when that has ended"
        },
    )


class RetriesSchema(PartSchema):
    """How often a run that ends badly is tried again, each time as a run of its own."""

    limit = fields.Integer(
        strict=True, required=True, validate=validate.Range(min=1, max=MAX_RETRIES)
    )
    delay_seconds = fields.Float(
        load_default=0.0,
        validate=validate.Range(min=0, max=DAY_SECONDS),
        metadata={"description": "before the first"},
    )
    backoff = fields.Float(
        load_default=1.0,
        validate=validate.Range(min=1, max=10),
        metadata={"description": "each further one waits so many times as long"},
    )
    on = ShortList(
        fields.String(validate=validate.OneOf(RETRIED)),
        least=1,
        most=MAX_OCCASIONS,
        load_default=lambda: [*RETRIED],
        metadata={"description": "after which ends"},
    )
    exit_codes = ShortList(
        fields.Integer(strict=True, validate=validate.Range(min=0, max=255)),
        most=256,
        load_default=list,
        metadata={"description": "of `failed` ones, those with these exit codes alone; empty: all"},
    )


class NotifySchema(PartSchema):
    """Which target is told of which events."""

    target = fields.String(
        required=True,
        validate=[validate.Length(min=1, max=64), texts.one_line, texts.encodable],
        metadata={"description": "the name of a notification target", "example": "chat"},
    )
    on = ShortList(
        fields.String(validate=validate.OneOf(EVENTS)),
        least=1,
        most=MAX_OCCASIONS,
        required=True,
        metadata={"description": "`recovered`: it succeeded after it had failed"},
    )


def _labels(labels: Sequence[str]) -> None:
    for label in labels:
        if not LABEL.match(label):
            raise ValidationError(
                f"{label[:100]!r} is no label: it takes key=value, each 1 to 64 of letters, digits,"
                " `_`, `.` and `-`."
            )
    if len(set(labels)) < len(labels):
        raise ValidationError("Give each once.")


def _variables(found: Mapping[str, str]) -> None:
    for name, text in found.items():
        if not VARIABLE_NAME.match(name):
            raise ValidationError(
                f"{name[:100]!r} is no name of a variable: it takes letters, digits and _, up to"
                " 100, and no digit first."
            )
        not_ours(name)
        if "\0" in text:
            raise ValidationError(f"{name} must not contain NUL characters.")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise ValidationError(f"{name} must not contain lone surrogates.") from None
        if size > MAX_VALUE_BYTES:
            raise ValidationError(f"{name} has {size:,} of at most {MAX_VALUE_BYTES:,} bytes.")
    if sum(len(name) + len(text.encode()) for name, text in found.items()) > MAX_ENVIRONMENT_BYTES:
        raise ValidationError(f"Give {MAX_ENVIRONMENT_BYTES:,} bytes at most, all together.")


def _absolute(path: str) -> None:
    if not path.startswith("/"):
        raise ValidationError("It must be absolute: begin it with a slash.")
    if len(path.encode(errors="replace")) > PATH_BYTES:
        raise ValidationError(f"It may have {PATH_BYTES} bytes.")


def key(**options: Any) -> fields.String:
    """Return the field of a command's key."""
    return fields.String(
        **options,
        allow_none=True,
        validate=validate.Regexp(KEY, error="It takes 1 to 64 of a-z, 0-9 and `-`."),
        metadata={
            "description": "what files and the command line call it; no two commands have the same",
            "pattern": "^[a-z0-9-]{1,64}$",
            "example": None,
        },
    )


class OptionsFields:
    """The fields of a definition beyond name, description and script; null: as it is without.

    They are loaded as they are stored (`Options.as_json`).
    """

    parameters = ParametersField(
        allow_none=True,
        metadata={
            "description": "what is to be told at each start",
            "example": [{"name": "DAY", "type": "choice", "choices": ["mon", "tue"]}],
        },
    )
    environment: Any = ShortDict(
        most=MAX_VARIABLES,
        keys=fields.String(),
        values=fields.String(),
        allow_none=True,
        validate=[_variables],
        metadata={
            "description": "further variables; a parameter's value counts more",
            "example": {"LANG": "C.UTF-8"},
        },
    )
    working_directory = fields.String(
        allow_none=True,
        validate=[_absolute, texts.encodable, texts.storable],
        metadata={
            "description": "absolute; without it the setting TAILRUN_WORKING_DIRECTORY",
            "example": None,
        },
    )
    timeout_seconds = fields.Float(
        allow_none=True,
        validate=validate.Range(min=0, max=MAX_SECONDS, min_inclusive=False),
        metadata={
            "description": "of a run, at most the setting TAILRUN_RUN_TIMEOUT_SECONDS",
            "example": 3600,
        },
    )
    grace_seconds = fields.Float(
        allow_none=True,
        validate=validate.Range(min=0, max=DAY_SECONDS),
        metadata={
            "description": "between SIGTERM and SIGKILL; without it TAILRUN_STOP_GRACE_SECONDS",
            "example": 10,
        },
    )
    max_output_bytes = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=1, max=2**62),
        metadata={
            "description": "of a run, at most the setting TAILRUN_MAX_OUTPUT_BYTES",
            "example": 100_000_000,
        },
    )
    output_policy = fields.String(
        allow_none=True,
        validate=validate.OneOf(POLICIES),
        metadata={
            "description": "beyond that; without it the setting TAILRUN_OUTPUT_POLICY",
            "example": "stop",
        },
    )
    concurrency = fields.Nested(
        ConcurrencySchema,
        allow_none=True,
        metadata={
            "description": "how many runs go on at a time",
            "example": {"limit": 5, "beyond": "queue"},
        },
    )
    retries = fields.Nested(
        RetriesSchema,
        allow_none=True,
        metadata={
            "description": "how often a run that ends badly is tried again",
            "example": {"limit": 2, "delay_seconds": 60, "backoff": 2},
        },
    )
    notify = ShortList(
        fields.Nested(NotifySchema),
        most=MAX_NOTIFY,
        allow_none=True,
        metadata={"description": "who is told of what", "example": []},
    )
    pool = fields.String(
        allow_none=True,
        validate=validate.Regexp(KEY, error="It takes 1 to 64 of a-z, 0-9 and `-`."),
        metadata={
            "description": "a worker of this pool runs it; without it the server that is asked",
            "pattern": "^[a-z0-9-]{1,64}$",
            "example": None,
        },
    )
    requires = ShortList(
        fields.String(metadata={"pattern": f"^{LABEL.pattern[:-2]}$"}),
        most=MAX_LABELS,
        allow_none=True,
        validate=[_labels],
        metadata={
            "description": "labels that the worker is to have, all of them; without a pool it is"
            " one of `default`",
            "example": [],
        },
    )
    on_unreachable = fields.String(
        allow_none=True,
        validate=validate.OneOf([one.value for one in OnUnreachable]),
        metadata={
            "description": "when a run's host is away: `wait` for it, which is as without; `lose`:"
            " the run ends as lost; `retry`: that, and a new one is started",
            "example": None,
        },
    )
    lost_after_seconds = fields.Float(
        allow_none=True,
        validate=validate.Range(min=LEAST_AWAY_SECONDS, max=7 * DAY_SECONDS),
        metadata={
            "description": "so long it is away before that, with `lose` and `retry`; without it"
            f" {LOST_AFTER_SECONDS:.0f}",
            "example": None,
        },
    )


OPTIONS = tuple(name for name in vars(OptionsFields) if not name.startswith("_"))
"""The names of these fields."""


def take_options(data: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of what was loaded: those that are named; None takes one away."""
    named = {name: data.pop(name) for name in OPTIONS if name in data}
    return {name: None if value in ([], {}) else value for name, value in named.items()}


def options_of(loaded: Mapping[str, Any]) -> Options:
    """Return the options that were loaded."""
    return Options.of({name: value for name, value in loaded.items() if value is not None})
