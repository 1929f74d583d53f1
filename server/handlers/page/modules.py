"""What the modules of the page import, as their texts say. Pure."""

import re
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath

OWN = "js/"
"""Where our own modules are; others have written those in vendor/."""

LATER = re.compile(r'=> import\("(\.[^"]+)"\)')
_STATIC = re.compile(
    r"""^(?:(?:import|export)\b[^;"']*?\bfrom|import)\s*["'](\.[^"']+)["']""", re.MULTILINE
)


class Modules:
    """The texts of all modules by their paths, and what each needs."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self._imports = {path: list(self._found(_STATIC, path)) for path in texts}

    def needed(self, path: str) -> list[str]:
        """Return the paths of a module and of all that it needs before it runs, itself first."""
        return self._all(path, {})

    def reached(self, path: str) -> list[str]:
        """Return the paths of a module and of all that it imports, also later, itself first."""
        later = {one: list(self._found(LATER, one)) for one in self.texts if one.startswith(OWN)}
        return self._all(path, later)

    def _all(self, path: str, later: Mapping[str, list[str]]) -> list[str]:
        found = {path: None}
        queue = [path]
        for one in queue:
            new = [*self._imports[one], *later.get(one, ())]
            queue += [other for other in dict.fromkeys(new) if other not in found]
            found |= dict.fromkeys(new)
        return list(found)

    def _found(self, pattern: re.Pattern[str], path: str) -> Iterator[str]:
        """Iterate over the modules that a pattern finds in a module's text."""
        names = (resolved(path, name) for name in pattern.findall(self.texts[path]))
        return (name for name in names if name in self.texts)


def vendors(paths: list[str]) -> list[str]:
    """Return those of some paths that others have written."""
    return [path for path in paths if not path.startswith(OWN)]


def resolved(path: str, name: str) -> str:
    """Return the path of what a module calls by a name such as `../base/store.js`."""
    return normpath(join(dirname(path), name))
