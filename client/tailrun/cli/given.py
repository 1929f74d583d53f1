"""Values of parameters as the command line has them: NAME=VALUE, NAME=@FILE, NAME."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tailrun.cli.table import shown
from tailrun.client import Value
from tailrun.errors import GivenError
from tailrun.values import Parameter

STDIN = "-"
TRUE, FALSE = "true", "false"


def values(
    given: Sequence[str], parameters: Sequence[Parameter], environment: Mapping[str, str]
) -> dict[str, Value]:
    """Return the values that are given by `-p`, each of its parameter's type.

    Raises:
        GivenError: one is given twice, or cannot be had.
    """
    types = {one.name: one.type for one in parameters}
    found: dict[str, Value] = {}
    for text in given:
        name, has_value, value = text.partition("=")
        if name in found:
            raise GivenError(f"-p {name} is given twice.")
        if not has_value:
            value = _from_environment(name, environment)
        elif value.startswith("@@"):
            value = value[1:]
        elif value.startswith("@"):
            value = _from_file(name, value[1:], is_text=types.get(name) == "text")
        found[name] = _typed(types.get(name, "string"), value)
    return found


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if value is None:
        raise GivenError(
            f"-p {name} has no value, and neither has the environment: write -p {name}=VALUE,"
            f" -p {name}=@FILE, or export {name}."
        )
    return value


def _from_file(name: str, path: str, *, is_text: bool) -> str:
    """Return what a file holds; but for texts without its last line end, as `$(cat FILE)`."""
    try:
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        value = data.decode()
    except OSError as error:
        raise GivenError(f"-p {name}: {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise GivenError(f"-p {name}: {path} is not in UTF-8.") from error
    return value if is_text else value.removesuffix("\n").removesuffix("\r")


def _typed(kind: str, value: str) -> Value:
    """Return a value as its type's JSON; what is none goes as text, for the server to refuse."""
    try:
        match kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean" if value in {TRUE, FALSE}:
                return value == TRUE
    except ValueError:
        pass
    return value


def described(parameters: Sequence[Parameter]) -> str:
    """Return a command's parameters, each with what it takes, for its help."""
    return "".join(_described(one) for one in parameters) or "It takes no parameters.\n"


def _described(one: Parameter) -> str:
    data = one.data
    default = data.get("default")
    said = [one.type]
    if data.get("choices"):
        said.append("one of " + ", ".join(map(str, data["choices"])))
    bounds = [str(data[name]) for name in ("min", "max") if data.get(name) is not None]
    if bounds:
        least, most = data.get("min"), data.get("max")
        said.append(f"from {least} to {most}" if len(bounds) == 2 else _one_bound(least, most))
    if data.get("pattern"):
        said.append(f"as {data['pattern']}")
    if default is not None:
        said.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    elif one.required:
        said.append("required")
    about = " ".join(filter(None, (data.get("label"), data.get("description"))))
    indented = "".join(f"      {shown(line)}\n" for line in about.splitlines())
    return f"  -p {shown(one.name)}=…  ({shown('; '.join(said))})\n{indented}"


def _one_bound(least: object, most: object) -> str:
    return f"at most {most}" if least is None else f"at least {least}"
