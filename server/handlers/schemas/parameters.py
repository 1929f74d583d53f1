"""What a command says of its parameters, over HTTP and in files: one schema for all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from server.definition import Parameter, ParameterType
from server.handlers.schemas import texts
from server.handlers.schemas.base import PartSchema, ShortList
from server.handlers.schemas.names import parameter_name
from server.services.parameters import MAX_INTEGER, MAX_VALUE_BYTES, field_of
from server.services.patterns import check_pattern, size_of

MAX_PARAMETERS = 100
MAX_CHOICES = 200
PATTERN_CHARACTERS = 1000
WORDS_CHARACTERS = 2000

PATTERNS_SIZE = 240_000
"""Of all patterns of a command, in instructions of RE2: it takes them some 60 ms, and nobody is
served meanwhile. `\\pL+` has 1,200."""

TEXT_TYPES = frozenset({ParameterType.STRING, ParameterType.TEXT, ParameterType.SECRET})
NUMBER_TYPES = frozenset({ParameterType.INTEGER, ParameterType.NUMBER})


def _words(description: str, *, lines: bool = False, most: int = 200) -> fields.String:
    plain = texts.plain_text if lines else texts.one_line
    return fields.String(
        allow_none=True,
        validate=[validate.Length(max=most), plain, texts.encodable, texts.storable],
        metadata={"description": description},
    )


class ParameterSchema(PartSchema):
    """A parameter: each run gets its value as an environment variable of its name."""

    name = fields.String(
        required=True,
        validate=parameter_name,
        metadata={
            "description": "of the variable; none that Tailrun or programs' loading use",
            "pattern": "^[A-Z][A-Z0-9_]{0,99}$",
            "example": "DAY",
        },
    )
    type = fields.String(
        load_default=ParameterType.STRING.value,
        validate=validate.OneOf([one.value for one in ParameterType]),
        metadata={"description": "`string` is one line; a `secret` is never shown"},
    )
    label = _words("what a form calls it; without it the name")
    description = _words("what it is for", lines=True, most=WORDS_CHARACTERS)
    default = fields.Raw(
        allow_none=True, metadata={"description": "the value where none is given; none of a secret"}
    )
    required = fields.Boolean(
        truthy={True},
        falsy={False},
        allow_none=True,
        metadata={"description": "a start without a value is refused; a text must not be empty"},
    )
    choices = ShortList(
        fields.String(validate=[validate.Length(max=200), texts.one_line, texts.encodable]),
        most=MAX_CHOICES,
        allow_none=True,
        metadata={"description": "of the type `choice`: what may be chosen"},
    )
    pattern = fields.String(
        allow_none=True,
        validate=[validate.Length(max=PATTERN_CHARACTERS), texts.encodable, texts.storable],
        metadata={"description": "of a text: RE2, of the whole value"},
    )
    min = fields.Float(allow_none=True, allow_nan=False, metadata={"description": "of a number"})
    max = fields.Float(allow_none=True, allow_nan=False, metadata={"description": "of a number"})
    max_length = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=1, max=MAX_VALUE_BYTES),
        metadata={"description": "of a text, in characters; 64 KiB in any case"},
    )
    placeholder = _words("what a form shows in the empty field")

    @validates_schema(skip_on_field_errors=True)
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        said = {name: value for name, value in data.items() if value not in (None, [])}
        kind = ParameterType(said["type"])
        wrong = _misplaced(kind, said) or _unreadable(said)
        if not wrong and "default" in said:
            wrong = _wrong_default(Parameter.of(said))
        if wrong:
            raise ValidationError(wrong)

    @post_load
    def _stored(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        said = {name: value for name, value in data.items() if value not in (None, [])}
        parameter = Parameter.of(said)
        if parameter.default is not None:
            said["default"] = field_of(parameter).deserialize(parameter.default)
        for name in {"min", "max"} & said.keys():
            is_whole = said[name].is_integer() and abs(said[name]) <= MAX_INTEGER
            said[name] = int(said[name]) if is_whole else said[name]
        return Parameter.of(said).as_json()


def _misplaced(kind: ParameterType, said: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong as it is said of a type that has no such thing."""
    only = {
        "choices": frozenset({ParameterType.CHOICE}),
        "pattern": TEXT_TYPES,
        "max_length": TEXT_TYPES,
        "min": NUMBER_TYPES,
        "max": NUMBER_TYPES,
    }
    wrong = {
        name: [f"It is for the types {', '.join(sorted(kinds))}; this one is a {kind}."]
        for name, kinds in only.items()
        if name in said and kind not in kinds
    }
    if kind is ParameterType.CHOICE and "choices" not in said:
        wrong["choices"] = ["Give the choices."]
    if kind is ParameterType.SECRET and "default" in said:
        wrong["default"] = ["A secret has no default: it would be there for all to read."]
    return wrong


def _unreadable(said: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong by itself."""
    wrong = {}
    if len(set(said.get("choices", ()))) < len(said.get("choices", ())):
        wrong["choices"] = ["Give each once."]
    if said.get("min", float("-inf")) > said.get("max", float("inf")):
        wrong["max"] = ["It is less than min."]
    if "pattern" in said:
        try:
            check_pattern(said["pattern"])
        except ValueError as error:
            wrong["pattern"] = [f"RE2 cannot read it: {error}."]
    return wrong


def _wrong_default(parameter: Parameter) -> dict[str, list[str]]:
    try:
        field_of(parameter).deserialize(parameter.default)
    except ValidationError as error:
        return {"default": [str(said) for said in error.messages]}
    return {}


def _unique(found: Sequence[Mapping[str, Any]]) -> None:
    names = [one["name"] for one in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValidationError(f"There are several of the name {repeated[0]}.")


class ParametersField(ShortList):
    """Parameters, whose patterns are not too large together: that is looked at as they are read."""

    def __init__(self, **options: Any) -> None:
        schema = fields.Nested(ParameterSchema)
        super().__init__(schema, most=MAX_PARAMETERS, validate=[_unique], **options)

    def deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
        """Look at the patterns, and read."""
        for number, size in enumerate(sizes_of_patterns(value)):
            if size > PATTERNS_SIZE:
                said = "The patterns of the parameters up to this one are too large together."
                raise ValidationError({number: {"pattern": [said]}})
        return super().deserialize(value, *given, **named)


def sizes_of_patterns(parameters: Any) -> Iterator[int]:
    """Iterate over the sizes of the patterns up to each of parameters that are not read yet.

    They end with the first that is more than PATTERNS_SIZE; of what is no list of parameters, or
    one that is too long, there are none.
    """
    size = 0
    are_few = isinstance(parameters, list) and len(parameters) <= MAX_PARAMETERS
    for one in parameters if are_few else ():
        if size <= PATTERNS_SIZE:
            size += _size_said(one)
            yield size


def _size_said(one: object) -> int:
    """Return the size of the pattern of a parameter, 0: it has none, or that is not looked at."""
    said = one if isinstance(one, dict) else {}
    pattern = said.get("pattern")
    if not isinstance(pattern, str) or len(pattern) > PATTERN_CHARACTERS:
        return 0
    # A default is matched with it twice.
    return size_of(pattern) * (1 if said.get("default") is None else 3)
