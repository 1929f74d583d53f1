"""Scripts over HTTP that are looked at and not stored."""

from dataclasses import dataclass

from marshmallow import fields

from server.handlers.http.rendering import AnswerSchema
from server.handlers.schemas import texts
from server.handlers.schemas.base import StrictSchema


@dataclass(frozen=True, slots=True)
class ScriptAsked:
    """A script that is to be checked."""

    script: str


class ScriptBody(StrictSchema):
    """A script."""

    value = ScriptAsked

    script = texts.script(required=True)


class ProblemOfScriptSchema(AnswerSchema):
    """What is wrong in a line of a script."""

    line = fields.Integer(metadata={"description": "from 1"})
    message = fields.String(metadata={"description": "as the interpreter says it"})


class CheckSchema(AnswerSchema):
    """What its interpreter says of a script."""

    interpreter = fields.String(metadata={"description": "what the script names, or the default"})
    unchecked = fields.String(
        allow_none=True, metadata={"description": "why it was not checked; null: it was"}
    )
    problems = fields.List(fields.Nested(ProblemOfScriptSchema))
