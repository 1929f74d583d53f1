"""Values of a command's parameters, checked by a schema that is made of its definition."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from server.definition import NewRun, Options, Parameter, ParameterType, StartAsked, Value, text_of
from server.errors import ParametersError
from server.services.patterns import compiled

MAX_VALUE_BYTES = 64 * 1024
"""Of a value. execve(2) takes 128 KiB, with the name."""

MAX_ENVIRONMENT_BYTES = 1024 * 1024
"""Of all that a script gets; execve(2) takes a quarter of the stack, which is 8 MiB, mostly."""

MAX_INTEGER = 2**63 - 1
"""What shells count with."""

MATCH_STEPS = 16_000_000
"""Of all values of a start, about 0.3 s: the characters of each times the size of its pattern.
RE2 takes so many where its automaton outgrows its memory, as `.*a.{400}` has it."""

COMPILE_STEPS = 40
"""For each instruction of a pattern, to compile it."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Checked:
    """Values that a command takes: those that are shown, and those that are not."""

    plain: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Return them as a script gets them."""
        return {name: text_of(value) for name, value in self.plain.items()} | dict(self.secrets)


NOTHING = Checked()


class Steps:
    """What is left of the steps in which values are matched with their patterns."""

    def __init__(self, most: int = MATCH_STEPS) -> None:
        self._left = most

    def take(self, steps: int) -> bool:
        """Take some; False: there are not so many left."""
        self._left -= steps
        return self._left >= 0


def new_run(options: Options, asked: StartAsked) -> NewRun:
    """Return what is stored of a run that is asked for.

    Raises:
        ParametersError: the command does not take the values.
    """
    found = checked(options.parameters, asked.values, options.environment)
    return NewRun(
        options=options,
        parameters=found.plain,
        secrets=found.secrets,
        cause=asked.cause,
        not_before=asked.not_before,
        attempt=asked.attempt,
        retry_of=asked.retry_of,
        hook_body=asked.hook_body,
    )


def checked(
    parameters: Sequence[Parameter],
    values: Mapping[str, object],
    environment: Mapping[str, str] = MappingProxyType({}),
    steps: Steps | None = None,
) -> Checked:
    """Return what a script gets: the values that are given, and defaults of those that are not.

    A value that is None is not given. Values are matched with patterns in what is left of `steps`,
    else in MATCH_STEPS.

    Raises:
        ParametersError: some are missing, wrong or unknown; or they are too long together with the
            `environment` of the command.
    """
    if not parameters and not values:
        return NOTHING
    known = {one.name: one for one in parameters}
    given: dict[str, object] = {
        one.name: one.default for one in parameters if one.default is not None
    }
    given |= {name: value for name, value in values.items() if value is not None}
    wrong = {name: [_unknown(known)] for name in values if name not in known}
    try:
        loaded = _schema(parameters, steps or Steps())().load(
            {name: given[name] for name in known if name in given}
        )
    except ValidationError as error:
        wrong |= {name: [*map(str, said)] for name, said in error.messages_dict.items()}
    if wrong:
        raise ParametersError.of(wrong)
    secret = {name for name, one in known.items() if one.type is ParameterType.SECRET}
    found = Checked(
        {name: value for name, value in loaded.items() if name not in secret},
        {name: value for name, value in loaded.items() if name in secret},
    )
    _check_size({**environment, **found.environment}, [*loaded])
    return found


def check_names(parameters: Sequence[Parameter], names: Iterable[str]) -> None:
    """Refuse names that no parameter has.

    Raises:
        ParametersError: some are such; names them.
    """
    known = {one.name: one for one in parameters}
    if unknown := {name: [_unknown(known)] for name in names if name not in known}:
        raise ParametersError.of(unknown)


def _unknown(known: Mapping[str, Parameter]) -> str:
    if not known:
        return "The command takes no parameters."
    return f"The command has no such parameter; it has {', '.join(known)}."


def _check_size(environment: Mapping[str, str], names: Sequence[str]) -> None:
    size = sum(len(name.encode()) + len(text.encode()) + 2 for name, text in environment.items())
    if size > MAX_ENVIRONMENT_BYTES:
        largest = max(names, key=lambda name: len(environment[name]))
        said = (
            "The values are too long together with the environment: they take"
            f" {size:,} of at most {MAX_ENVIRONMENT_BYTES:,} bytes. Hand over a file."
        )
        raise ParametersError.of({largest: [said]})


def _schema(parameters: Sequence[Parameter], steps: Steps) -> type[Schema]:
    made: dict[str, fields.Field[Any]] = {one.name: field_of(one, steps) for one in parameters}
    return Schema.from_dict(made)


def field_of(parameter: Parameter, steps: Steps | None = None) -> "fields.Field[Any]":
    """Return the field that reads and checks a parameter's value, in so many steps at most."""
    make = _FIELDS[parameter.type]
    if parameter.pattern is None or make is not _texts:
        return make(parameter)
    return _texts(parameter, [_matching(parameter.pattern, steps or Steps())])


class _ValueField(fields.Field[Any]):
    """A field whose value is read by a function, which raises ValidationError."""

    def __init__(
        self,
        read: Callable[[Any], Value],
        parameter: Parameter,
        validators: Sequence[Callable[[Any], object]] = (),
    ) -> None:
        missing = f"It is required: {_fitting(parameter)}."
        super().__init__(
            required=parameter.required,
            validate=[*validators],
            error_messages={"required": missing, "null": missing},
        )
        self._read = read

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return self._read(value)


def _fitting(parameter: Parameter) -> str:
    """Say what a value is to be, in words that follow "Give"."""
    return {
        ParameterType.STRING: "give one line of text",
        ParameterType.TEXT: "give a text",
        ParameterType.INTEGER: "give a whole number",
        ParameterType.NUMBER: "give a number",
        ParameterType.BOOLEAN: "give true or false",
        ParameterType.CHOICE: f"give one of {', '.join(map(repr, parameter.choices))}",
        ParameterType.DATE: "give a date such as 2026-12-31",
        ParameterType.SECRET: "give a text",
    }[parameter.type]


def _texts(parameter: Parameter, further: Sequence[Callable[[Any], object]] = ()) -> _ValueField:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("It must be a text.")
        if parameter.required and not value:
            raise ValidationError(f"It must not be empty: {_fitting(parameter)}.")
        return value

    checks: list[Callable[[Any], object]] = [_passable]
    if parameter.type is ParameterType.STRING:
        checks.append(_one_line)
    if parameter.max_length is not None:
        checks.append(
            validate.Length(
                max=parameter.max_length,
                error=f"It must have at most {parameter.max_length} characters.",
            )
        )
    return _ValueField(read, parameter, [*checks, *further])


def _passable(text: str) -> None:
    """Refuse what an environment variable, or PostgreSQL, cannot hold."""
    if "\0" in text:
        raise ValidationError("It must not contain NUL characters.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValidationError("It must not contain lone surrogates.") from None
    if size > MAX_VALUE_BYTES:
        raise ValidationError(
            f"It has {size:,} bytes, and may have {MAX_VALUE_BYTES:,}. Hand over a file instead."
        )


def _one_line(text: str) -> None:
    if "\n" in text or "\r" in text:
        raise ValidationError("It must be one line; a parameter of the type text takes several.")


def _matching(pattern: str, steps: Steps) -> Callable[[str], None]:
    def check(text: str) -> None:
        data = text.encode("utf-8", "replace")
        if len(data) > MAX_VALUE_BYTES:
            return  # that is said already
        too_long = "It would take too long to match it with its pattern: give a shorter one."
        if not steps.take(0):
            raise ValidationError(too_long)
        program = compiled(pattern)
        if not steps.take(program.programsize * (len(data) + COMPILE_STEPS)):
            raise ValidationError(too_long)
        if program.fullmatch(data) is None:
            raise ValidationError(f"It must match the pattern {pattern}.")

    return check


def _choices(parameter: Parameter) -> _ValueField:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in parameter.choices:
            raise ValidationError(f"It is none of the choices: {_fitting(parameter)}.")
        return value

    return _ValueField(read, parameter)


def _integers(parameter: Parameter) -> _ValueField:
    def read(value: Any) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            raise ValidationError("It must be a whole number of at most 64 bits.")
        return value

    return _ValueField(read, parameter, _range(parameter))


def _numbers(parameter: Parameter) -> _ValueField:
    reader = fields.Float(allow_nan=False, error_messages={"invalid": "It must be a number."})

    def read(value: Any) -> float:
        number: float = reader.deserialize(value)
        whole = type(value) is int or (isinstance(value, str) and _INTEGER.fullmatch(value))
        return int(value) if whole and abs(number) <= MAX_INTEGER else number

    return _ValueField(read, parameter, _range(parameter))


def _range(parameter: Parameter) -> list[Callable[[Any], object]]:
    if parameter.min is None and parameter.max is None:
        return []
    least = "" if parameter.min is None else f" at least {text_of(parameter.min)}"
    most = "" if parameter.max is None else f" at most {text_of(parameter.max)}"
    both = " and" if least and most else ""
    return [
        validate.Range(
            min=parameter.min, max=parameter.max, error=f"It must be{least}{both}{most}."
        )
    ]


def _booleans(parameter: Parameter) -> _ValueField:
    words = {"true": True, "false": False}

    def read(value: Any) -> bool:
        found = words.get(value) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise ValidationError("It must be true or false.")
        return found

    return _ValueField(read, parameter)


def _dates(parameter: Parameter) -> _ValueField:
    reader = fields.Date(
        format="%Y-%m-%d", error_messages={"invalid": "It must be a date such as 2026-12-31."}
    )

    def read(value: Any) -> str:
        return str(reader.deserialize(value).isoformat())

    return _ValueField(read, parameter)


_FIELDS: Mapping[ParameterType, Callable[[Parameter], _ValueField]] = {
    ParameterType.STRING: _texts,
    ParameterType.TEXT: _texts,
    ParameterType.SECRET: _texts,
    ParameterType.CHOICE: _choices,
    ParameterType.INTEGER: _integers,
    ParameterType.NUMBER: _numbers,
    ParameterType.BOOLEAN: _booleans,
    ParameterType.DATE: _dates,
}
