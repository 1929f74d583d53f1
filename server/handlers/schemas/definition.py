"""What a command says of its runs, over HTTP and in files: one schema for all."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from server.definition import KEY, LABEL, Beyond, Options, Parameter, ParameterType
from server.handlers.http.rendering import AnswerSchema, SortedField
from server.handlers.schemas import texts
from server.handlers.schemas.base import ShortDict, ShortList
from server.models import RunState
from server.services.parameters import (
    MAX_ENVIRONMENT_BYTES,
    MAX_INTEGER,
    MAX_VALUE_BYTES,
    field_of,
)
from server.services.patterns import check_pattern, size_of

PARAMETER_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")

OWN_PREFIX = "TAILRUN_"
LOADING = frozenset(
    {
        *("PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PS4"),
        *("CDPATH", "PROMPT_COMMAND", "ZDOTDIR", "FPATH", "GCONV_PATH", "LOCPATH", "NLSPATH"),
        *("GLIBC_TUNABLES", "HOSTALIASES", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"),
        *(
            "MAKEFLAGS",
            "MAKEFILES",
            "GNUMAKEFLAGS",
            "TAR_OPTIONS",
            "RSYNC_RSH",
            "RSYNC_CONNECT_PROG",
        ),
        *("SSH_ASKPASS", "SUDO_ASKPASS", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN"),
        *("LESSCLOSE", "BROWSER", "AWKPATH", "AWKLIBPATH", "CLASSPATH", "PHPRC", "TCLLIBPATH"),
        *("XDG_CONFIG_HOME", "CURL_HOME", "WGETRC"),
    }
)
LOADING_PREFIXES = (
    *("LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "GEM_", "BUNDLE_", "NODE_", "NPM_CONFIG_"),
    *("JAVA_", "JDK_", "LUA_", "PHP_INI_", "DOTNET_", "R_PROFILE", "GIT_", "BASH_"),
)
"""Variables that say which code a program loads: whoever starts a command may not choose that."""

SHELLS = frozenset(
    {
        *(
            "PWD",
            "OLDPWD",
            "SHLVL",
            "PPID",
            "UID",
            "EUID",
            "GROUPS",
            "RANDOM",
            "SRANDOM",
            "SECONDS",
        ),
        *(
            "LINENO",
            "OPTIND",
            "OPTARG",
            "HISTCMD",
            "DIRSTACK",
            "FUNCNAME",
            "PIPESTATUS",
            "COMP_WORDS",
        ),
        *("EPOCHSECONDS", "EPOCHREALTIME"),
    }
)
"""Variables that a shell sets itself: a value would be lost, and nobody told."""

MAX_PARAMETERS = 100
PATTERN_CHARACTERS = 1000
PATTERNS_SIZE = 240_000
"""Of all patterns of a command, in instructions of RE2: it takes them some 60 ms, and nobody is
served meanwhile. `\\pL+` has 1,200."""

MAX_VARIABLES = 200
MAX_CHOICES = 200
MAX_NOTIFY = 20
MAX_OCCASIONS = 20
MAX_LABELS = 20
MAX_CONCURRENT = 1000
MAX_RETRIES = 20
MAX_SECONDS = 366 * 86400.0
DAY_SECONDS = 86400.0
PATH_BYTES = 4096
WORDS_CHARACTERS = 2000

TEXT_TYPES = frozenset({ParameterType.STRING, ParameterType.TEXT, ParameterType.SECRET})
NUMBER_TYPES = frozenset({ParameterType.INTEGER, ParameterType.NUMBER})
POLICIES = ("stop", "head_and_tail")
EVENTS = ("failed", "recovered", "succeeded", "late", "long")
RETRIED = tuple(state.value for state in (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST))


def _words(description: str, *, lines: bool = False, most: int = 200) -> fields.String:
    plain = texts.plain_text if lines else texts.one_line
    return fields.String(
        allow_none=True,
        validate=[validate.Length(max=most), plain, texts.encodable, texts.storable],
        metadata={"description": description},
    )


class _PartSchema(Schema):
    """A part of a definition: it refuses unknown fields, and takes null for what is not said."""

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE

    @post_load
    def _said(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


def _parameter_name(name: str) -> None:
    if not PARAMETER_NAME.match(name):
        raise ValidationError("It takes A-Z, 0-9 and _, with a letter first: up to 100, as in DAY.")
    _not_ours(name)
    if name in LOADING or name.startswith(LOADING_PREFIXES):
        raise ValidationError(
            f"It must not be {name}: that variable says which code programs load. Name it"
            " otherwise, or set it in `environment`."
        )
    if name in SHELLS:
        raise ValidationError(
            f"It must not be {name}: a shell sets that variable itself. Name it otherwise."
        )


def _not_ours(name: str) -> None:
    if name.startswith(OWN_PREFIX):
        raise ValidationError(f"Names that begin with {OWN_PREFIX} are Tailrun's own.")


class ParameterSchema(_PartSchema):
    """A parameter: each run gets its value as an environment variable of its name."""

    name = fields.String(
        required=True,
        validate=_parameter_name,
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


class ConcurrencySchema(_PartSchema):
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


class RetriesSchema(_PartSchema):
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


class NotifySchema(_PartSchema):
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


def _each_once(labels: Sequence[str]) -> None:
    if len(set(labels)) < len(labels):
        raise ValidationError("Give each once.")


def _unique_parameters(found: Sequence[Mapping[str, Any]]) -> None:
    names = [one["name"] for one in found]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValidationError(f"There are several of the name {repeated[0]}.")


def _variables(found: Mapping[str, str]) -> None:
    for name, text in found.items():
        if not VARIABLE_NAME.match(name):
            raise ValidationError(
                f"{name[:100]!r} is no name of a variable: it takes letters, digits and _, up to"
                " 100, and no digit first."
            )
        _not_ours(name)
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


class _Parameters(ShortList):
    """Parameters, whose patterns are not too large together: that is looked at as they are read."""

    def deserialize(self, value: Any, *given: Any, **named: Any) -> Any:
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


class OptionsFields:
    """The fields of a definition beyond name, description and script; null: as it is without.

    They are loaded as they are stored (`Options.as_json`).
    """

    parameters = _Parameters(
        fields.Nested(ParameterSchema),
        most=MAX_PARAMETERS,
        allow_none=True,
        validate=[_unique_parameters],
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
        fields.String(
            validate=validate.Regexp(
                LABEL, error="It takes key=value, each 1 to 64 of letters, digits, `_`, `.`, `-`."
            )
        ),
        most=MAX_LABELS,
        allow_none=True,
        validate=[_each_once],
        metadata={
            "description": "labels that the worker is to have, all of them; without a pool it is"
            " one of `default`",
            "example": [],
        },
    )


OPTIONS = tuple(name for name in vars(OptionsFields) if not name.startswith("_"))
"""The names of these fields."""


def take_options(data: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of what was loaded: those that are named; None takes one away."""
    named = {name: data.pop(name) for name in OPTIONS if name in data}
    return {name: None if value in ([], {}) else value for name, value in named.items()}


class ParameterAnswerSchema(AnswerSchema):
    """A parameter of a command."""

    name = fields.String()
    type = fields.Enum(ParameterType, by_value=fields.String)
    label = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    default = fields.Raw(allow_none=True)
    required = fields.Boolean()
    choices = fields.List(fields.String())
    pattern = fields.String(allow_none=True)
    min = fields.Float(allow_none=True)
    max = fields.Float(allow_none=True)
    max_length = fields.Integer(allow_none=True)
    placeholder = fields.String(allow_none=True)


class ConcurrencyAnswerSchema(AnswerSchema):
    """How many runs may go on at a time."""

    limit = fields.Integer()
    beyond = fields.Enum(Beyond, by_value=fields.String)


class RetriesAnswerSchema(AnswerSchema):
    """How often a run is tried again."""

    limit = fields.Integer()
    delay_seconds = fields.Float()
    backoff = fields.Float()
    on = SortedField(fields.String())
    exit_codes = fields.List(fields.Integer())


class NotifyAnswerSchema(AnswerSchema):
    """Which target is told of which events."""

    target = fields.String()
    on = SortedField(fields.String())


class PauseAnswerSchema(AnswerSchema):
    """That schedules do not start the command."""

    note = fields.String(allow_none=True)
    until = fields.DateTime(format="iso", allow_none=True)
    by = fields.String(allow_none=True)
    at = fields.DateTime(format="iso", allow_none=True)


class OptionsAnswer:
    """The same fields as they are answered, of a view with a `command`."""

    hidden_options: ClassVar[Mapping[str, object]] = {"environment": {}}

    key = fields.String(attribute="command.key", allow_none=True)
    parameters = fields.List(
        fields.Nested(ParameterAnswerSchema), attribute="command.options.parameters"
    )
    environment: Any = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        attribute="command.options.environment",
        metadata={"description": "empty for whoever may not start it"},
    )
    working_directory = fields.String(
        attribute="command.options.working_directory", allow_none=True
    )
    timeout_seconds = fields.Float(attribute="command.options.timeout_seconds", allow_none=True)
    grace_seconds = fields.Float(attribute="command.options.grace_seconds", allow_none=True)
    max_output_bytes = fields.Integer(attribute="command.options.max_output_bytes", allow_none=True)
    output_policy = fields.String(attribute="command.options.output_policy", allow_none=True)
    concurrency = fields.Nested(
        ConcurrencyAnswerSchema, attribute="command.options.concurrency", allow_none=True
    )
    retries = fields.Nested(
        RetriesAnswerSchema, attribute="command.options.retries", allow_none=True
    )
    notify = fields.List(fields.Nested(NotifyAnswerSchema), attribute="command.options.notify")
    pool = fields.String(attribute="command.options.pool", allow_none=True)
    requires = fields.List(fields.String(), attribute="command.options.requires")
    options_truncated = fields.Boolean(
        attribute="command.options_truncated",
        metadata={
            "description": "lists leave parameters, environment and the like out where they take"
            " more than 4 KiB; this says so"
        },
    )
    paused = fields.Nested(PauseAnswerSchema, allow_none=True)


def options_of(loaded: Mapping[str, Any]) -> Options:
    """Return the options that were loaded."""
    return Options.of({name: value for name, value in loaded.items() if value is not None})
