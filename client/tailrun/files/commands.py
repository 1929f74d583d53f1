"""Commands as files have them: read whole, with the place of everything that may be wrong."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tailrun.errors import ClientError, FilesError, RefusedError
from tailrun.files.reading import FileError, Read, read_text, read_yaml

SUFFIXES = (".yaml", ".yml")
COMMANDS = "commands"
SCRIPT, SCRIPT_FILE = "script", "script_file"
NO_TEXT = "Not a valid string."


class Item(NamedTuple):
    """A command, and where it stands."""

    fields: dict[str, Any]
    file: Path
    number: int
    read: Read

    def line_of(self, *path: str | int) -> int:
        """Return the line of a field."""
        return self.read.line_of((COMMANDS, self.number, *path))


def read_commands(path: Path) -> list[Item]:
    """Read the commands of a file, or of all files of YAML below a directory.

    Raises:
        FilesError: some are wrong; all that is found is told.
    """
    items: list[Item] = []
    wrong: list[str] = []
    for file in files_of(path):
        try:
            read = read_yaml(file)
            listed = _listed(read, file)
        except FileError as error:
            wrong.append(str(error))
            continue
        for index, found in enumerate(listed):
            try:
                items.append(_item(found, file, index, read))
            except FileError as error:
                wrong.append(str(error))
    wrong += _repeated(items)
    if wrong:
        raise FilesError(wrong)
    return items


def files_of(path: Path) -> list[Path]:
    """Return the files that are meant.

    Raises:
        FileError: there is none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise FileError(f"There is no file in it that ends with {' or '.join(SUFFIXES)}.", path)
    return found


def placed(error: RefusedError, items: Sequence[Item]) -> ClientError:
    """Return what a server says of a set of commands, by file and line where it names a field."""
    told = [_placed(name, texts, items) for name, texts in error.fields.items()]
    in_order = sorted(told, key=lambda one: one[:2])
    return FilesError([text for _, _, text in in_order]) if told else error


def _listed(read: Read, file: Path) -> list[Any]:
    value = read.value
    if not isinstance(value, dict) or not isinstance(value.get(COMMANDS), list):
        raise FileError(f"Begin it with `{COMMANDS}:`, and list the commands below.", file, 1)
    for name in value:
        if name != COMMANDS:
            raise FileError(f"{name}: Unknown field.", file, read.line_of((name,)))
    return list(value[COMMANDS])


def _item(found: Any, file: Path, index: int, read: Read) -> Item:
    line = read.line_of((COMMANDS, index))
    if not isinstance(found, dict):
        raise FileError("A command is to be a mapping of its fields.", file, line)
    item = Item(dict(found), file, index, read)
    if not isinstance(found.get("key"), str):
        raise FileError("key: Each command has one, a text such as `backup`.", file, line)
    if SCRIPT_FILE in found:
        if SCRIPT in found:
            at = item.line_of(SCRIPT_FILE)
            raise FileError(f"Give {SCRIPT} or {SCRIPT_FILE}, not both.", file, at)
        item.fields[SCRIPT] = _script(item)
        del item.fields[SCRIPT_FILE]
    return item


def _script(item: Item) -> str:
    """Return what the file beside it holds, which may lie below its directory alone."""
    name, line = item.fields[SCRIPT_FILE], item.line_of(SCRIPT_FILE)
    if not isinstance(name, str) or not name:
        raise FileError(f"{SCRIPT_FILE}: It is to be the name of a file.", item.file, line)
    directory = Path(os.path.realpath(item.file.parent))
    script = Path(os.path.realpath(directory / name))
    if not script.is_relative_to(directory):
        raise FileError(
            f"{SCRIPT_FILE}: {name} is outside of this file's directory.", item.file, line
        )
    if not script.is_file():
        raise FileError(f"{SCRIPT_FILE}: There is no file {name} beside it.", item.file, line)
    return read_text(script)


def _repeated(items: Sequence[Item]) -> Iterator[str]:
    first: dict[str, Item] = {}
    for item in items:
        before = first.setdefault(item.fields["key"], item)
        if before is not item:
            yield (
                f"{item.file}:{item.line_of('key')}: key: {item.fields['key']} is the key of the"
                f" command at {before.file}:{before.line_of('key')}, too."
            )


def _placed(name: str, texts: Sequence[str], items: Sequence[Item]) -> tuple[int, int, str]:
    """Return the number of the command, the line, and what is told."""
    parts = name.split(".")
    if parts[0] != COMMANDS or len(parts) < 2 or not parts[1].isdigit():
        return -1, 0, f"{name}: {' '.join(texts)}"
    item = items[int(parts[1])]
    path = _path(parts[2:], item.fields)
    line = item.line_of(*path)
    if path[:1] == (SCRIPT,) and SCRIPT_FILE in item.read.value[COMMANDS][item.number]:
        line = item.line_of(SCRIPT_FILE)
    said = ".".join(map(str, path))
    hint = _hint(texts, path, item)
    told = f"{item.file}:{line}: {said + ': ' if said else ''}{' '.join(texts)}{hint}"
    return int(parts[1]), line, told


def _path(parts: Sequence[str], fields: Any) -> tuple[str | int, ...]:
    """Return a path with numbers where there are lists."""
    path: list[str | int] = []
    for part in parts:
        path.append(int(part) if isinstance(fields, list) and part.isdigit() else part)
        fields = _inner(fields, path[-1])
    return tuple(path)


def _inner(value: Any, name: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(name))
    if isinstance(value, list) and isinstance(name, int) and name < len(value):
        return value[name]
    return None


def _hint(texts: Sequence[str], path: tuple[str | int, ...], item: Item) -> str:
    """Return how to write what YAML takes for a number or the like, and is to be a text."""
    value: Any = item.fields
    for one in path:
        value = _inner(value, one)
    is_other = isinstance(value, bool | int | float)
    if not is_other or NO_TEXT not in texts:
        return ""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return f' Write it as a text: "{written}".'
