"""Which modules a module of the page imports, as its text says. Pure.

A browser learns of a module's imports when it has the module: one round trip a level. So it is
told of all of them at once, in the page's HTML.
"""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

_STATIC = re.compile(
    r"""^(?:(?:import|export)\b[^;"']*?\bfrom|import)\s*["'](\.[^"']+)["']""", re.MULTILINE
)
_SCREEN = re.compile(r'^ +(\w+): \(\) => import\("(\.[^"]+)"\)', re.MULTILINE)


def needed(path: str, sources: Mapping[str, str]) -> list[str]:
    """Return the paths of a module and of all that it needs before it runs, itself first.

    `sources` are the texts of all modules by their paths.
    """
    found = {path: None}
    queue = [path]
    for one in queue:
        for name in _STATIC.findall(sources[one]):
            other = _resolved(one, name)
            if other in sources and other not in found:
                found[other] = None
                queue.append(other)
    return list(found)


def screens(path: str, sources: Mapping[str, str]) -> dict[str, str]:
    """Return the path of each screen's module, as the table of them in another module says."""
    return {name: _resolved(path, found) for name, found in _SCREEN.findall(sources[path])}


def _resolved(path: str, name: str) -> str:
    return normpath(join(dirname(path), name))
