"""Modules of the page joined to one, so that they come in one answer. Pure.

A browser takes its time for each module, and most are small. Joined, each is a function that
returns what it exports, and is called when that is first needed (static/js/joined.js). So modules
import by names, in no circle, at their beginning, wait for nothing there, and change nothing later
of what they export. What others have written (vendor/) stays as it is, and is imported.
"""

import re

from server.handlers.page.modules import LATER, OWN, Modules, resolved, vendors

RUNTIME = "js/joined.js"

# With names that no module has.
_RUNTIME_NAMES = "add, later as $later, placeOf as $placeOf, use as $use"

_TOLD = re.compile(r"^ */\*\*[^*]*\*+(?:[^/*][^*]*\*+)*/\n", re.MULTILINE)
"""What is told to who reads a module: more than a third of it."""

_IMPORT = re.compile(r'^import (?:(?:\{([^}]*)\}|(\w+)) from )?"(\.[^"]+)";', re.MULTILINE)
_PASSED_ON = re.compile(r'^export \{([^}]*)\} from "(\.[^"]+)";', re.MULTILINE)
_NAMED = re.compile(r"^export \{([^}]*)\};", re.MULTILINE)
_DECLARED = re.compile(
    r"^export ((?:async )?function\*?|class|const) (\w+|\[[^\]]*\])", re.MULTILINE
)


def joined(modules: Modules, path: str, before: str | None = None) -> str:
    """Return a module with all that it imports, now and later, as one.

    `before` is another that is joined: it runs first, and what is in that is not in this.
    """
    known = [] if before is None else modules.reached(before)
    own = [one for one in modules.reached(path) if one.startswith(OWN) and one not in known]
    loaded = {one: f"vendor{at}" for at, one in enumerate(vendors(modules.needed(path)))}
    imports = [f'import {{ {_RUNTIME_NAMES} }} from "{_up(path, RUNTIME)}";']
    imports += [f'import "{_up(path, before)}";'] if before else []
    imports += [f'import * as {name} from "{_up(path, one)}";' for one, name in loaded.items()]
    functions = [f'"{one}": () => {{\n{_Module(modules, one).body()}}},' for one in own]
    table = ", ".join(f'"{one}": {name}' for one, name in loaded.items())
    return "\n".join([*imports, "add({", *functions, f"}}, {{{table}}});", f'$use("{path}");\n'])


class _Module:
    """A module on its way to become a function."""

    def __init__(self, modules: Modules, path: str) -> None:
        self._modules = modules
        self._path = path
        self._exported: list[str] = []

    def body(self) -> str:
        """Return the function's body."""
        text = _TOLD.sub("", self._modules.texts[self._path])
        text = text.replace("import.meta.url", f'$placeOf("{self._path}")')
        for pattern, written in (
            (LATER, self._later),
            (_IMPORT, self._imported),
            (_PASSED_ON, self._passed_on),
            (_NAMED, self._named),
            (_DECLARED, self._declared),
        ):
            text = pattern.sub(written, text)
        return f"{text}return {{ {', '.join(self._exported)} }};\n"

    def _later(self, found: re.Match[str]) -> str:
        other = resolved(self._path, found[1])
        needed = ", ".join(f'"{one}"' for one in vendors(self._modules.needed(other)))
        return f'=> $later("{other}", [{needed}])'

    def _imported(self, found: re.Match[str]) -> str:
        names, default, place = found.groups()
        if names is None and default is None:
            return f"{self._used(place)};"
        taken = f"default: {default}" if names is None else _parts(names, "{0}: {1}")
        return f"const {{ {taken} }} = {self._used(place)};"

    def _passed_on(self, found: re.Match[str]) -> str:
        self._exported.append(_parts(found[1], f"{{1}}: {self._used(found[2])}.{{0}}"))
        return ""

    def _named(self, found: re.Match[str]) -> str:
        if found[1].strip():
            self._exported.append(_parts(found[1], "{1}: {0}"))
        return ""

    def _declared(self, found: re.Match[str]) -> str:
        self._exported.append(found[2].strip("[]"))
        return f"{found[1]} {found[2]}"

    def _used(self, place: str) -> str:
        return f'$use("{resolved(self._path, place)}")'


def _parts(names: str, form: str) -> str:
    """Return what is imported or exported, such as `a, b as c`, as parts of an object.

    Of the form, 0 is the name on the left, 1 the one on the right, mostly the same.
    """
    pairs = (name.split(" as ") for name in " ".join(names.split()).split(",") if name.strip())
    return ", ".join(form.format(pair[0].strip(), pair[-1].strip()) for pair in pairs)


def _up(path: str, other: str) -> str:
    return "../" * path.count("/") + other
