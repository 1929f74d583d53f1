"""YAML as plain values, each with its line. What YAML leaves to surprise is refused, or text.

Of plain scalars only what JSON has is no text: numbers, `true`, `false`, `null` (YAML 1.2's core
schema, https://yaml.org/spec/1.2.2/#103-core-schema, without octal and hexadecimal numbers). So
`no`, `2026-01-01`, `1:30` and `0x1f` are the text that stands there.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tailrun.errors import FilesError

MAX_FILE_BYTES = 64 * 1024 * 1024

TAG = "tag:yaml.org,2002:"
PLAIN: Mapping[str, tuple[re.Pattern[str], str]] = {
    f"{TAG}null": (re.compile(r"(?:~|null|)\Z"), "~n\0"),
    f"{TAG}bool": (re.compile(r"(?:true|false)\Z"), "tf"),
    f"{TAG}int": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), "-+0123456789"),
    f"{TAG}float": (
        re.compile(
            r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)\Z",
        ),
        "-+0123456789.",
    ),
}
"""What a plain scalar is that is no text: its pattern, and the characters that it begins with."""

UNQUOTED = frozenset(
    {
        "did not find expected alphabetic or numeric character",
        "found character that cannot start any token",
    }
)
"""What is said of a text that begins with `*`, `@` or the like."""

QUOTE = ' Quote a text that begins with such a sign: "*/5 * * * *".'

Path_ = tuple[str | int, ...]
"""Where a value is: the names and numbers that lead to it."""


class FileError(FilesError):
    """A file cannot be read, or says what no file may say."""

    def __init__(self, message: str, file: Path, line: int | None = None) -> None:
        super().__init__([f"{file}{'' if line is None else f':{line}'}: {message}"])


class Read(NamedTuple):
    """What a file holds, and on which lines, counted from 1."""

    value: Any
    lines: Mapping[Path_, int]

    def line_of(self, path: Path_) -> int:
        """Return the line of a value, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes; which tags plain scalars have is decided by PLAIN alone."""

    yaml_implicit_resolvers: Mapping[str, Any] = {}


for _tag, (_pattern, _first) in PLAIN.items():
    _Loader.add_implicit_resolver(_tag, _pattern, [*_first.replace("\0", ""), ""])


def read_yaml(file: Path) -> Read:
    """Read a file.

    Raises:
        FileError: it cannot be read, or is not to be understood; the message has the line.
    """
    text = read_text(file)
    with _told(file):
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    if len(nodes) > 1:
        line = nodes[1].start_mark.line + 1
        raise FileError("Give one document a file.", file, line)
    reading = _Reading(file)
    if not nodes or nodes[0] is None:
        return Read(None, {(): 1})
    with _told(file):
        value = reading.value_of(nodes[0], ())
    return Read(value, reading.lines)


def read_text(file: Path) -> str:
    """Return a file's text.

    Raises:
        FileError: it cannot be read, is too large or not in UTF-8.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FileError(f"{error.strerror}.", file) from error
    if len(data) > MAX_FILE_BYTES:
        raise FileError(f"It has more than {MAX_FILE_BYTES:,} bytes.", file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError("It is not in UTF-8.", file, line) from error


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        hint = QUOTE if error.problem in UNQUOTED else ""
        line = mark.line + 1 if mark else None
        raise FileError(f"{error.problem}.{hint}", file, line) from error
    except yaml.YAMLError as error:
        raise FileError(f"{' '.join(str(error).split())}.", file) from error
    except RecursionError as error:
        raise FileError("It is nested too deeply.", file) from error


class _Reading:
    """Makes values of the nodes of a file."""

    def __init__(self, file: Path) -> None:
        self.lines: dict[Path_, int] = {}
        self._file = file
        self._seen: set[int] = set()

    def value_of(self, node: yaml.Node, path: Path_) -> Any:
        """Return a node's value, and note its lines."""
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:
            raise FileError("Aliases (`*name`) are not read: write it out.", self._file, line)
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map")
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, "seq")
            return [self.value_of(one, (*path, index)) for index, one in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value
            if not isinstance(key, yaml.ScalarNode):
                raise FileError("A name is to be a text.", self._file, line)
            if name == "<<" and not key.style:
                raise FileError("Merging (`<<`) is not read: write it out.", self._file, line)
            if name in found:
                first = self.lines[(*path, name)]
                raise FileError(f"{name} stands in line {first} already.", self._file, line)
            self.lines[(*path, name)] = line
            found[name] = self.value_of(value, (*path, name))
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        match node.tag.removeprefix(TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text == "true"
            case "int":
                return self._number(int, node)
            case "float":
                return self._number(float, node)
            case _:
                raise self._unknown_tag(node)

    def _number(self, kind: type[int] | type[float], node: yaml.ScalarNode) -> float:
        try:
            return kind(node.value)
        except ValueError as error:  # a tag that somebody wrote, or a number of 5,000 digits
            line = node.start_mark.line + 1
            raise FileError("It is no number that can be read.", self._file, line) from error

    def _check_tag(self, node: yaml.Node, expected: str) -> None:
        if node.tag != TAG + expected:
            raise self._unknown_tag(node)

    def _unknown_tag(self, node: yaml.Node) -> FileError:
        line = node.start_mark.line + 1
        return FileError(f"Tags (`{node.tag}`) are not read: leave it out.", self._file, line)
