"""The page's HTML as it is served: with its files' version, and the modules that it needs. Pure."""

from collections.abc import Mapping

from server.handlers.page.modules import needed, screens

STATIC = "static/"
PLACE = "    <!-- what main.js and the screens need -->\n"
OPENING, MAIN, SCREENS = "js/opening.js", "js/main.js", "js/screens.js"


def written(html: str, sources: Mapping[str, str], version: str) -> str:
    """Return the HTML with paths of this version, and its modules where PLACE is."""
    return html.replace(PLACE, _links(sources)).replace(f'"{STATIC}', f'"{STATIC}{version}/')


def _links(sources: Mapping[str, str]) -> str:
    """Name what every screen needs, and what some do: those are loaded by opening.js."""
    always = list(dict.fromkeys([*needed(OPENING, sources), *needed(MAIN, sources)]))
    some: dict[str, list[str]] = {}
    for screen, path in screens(SCREENS, sources).items():
        for one in needed(path, sources):
            if one not in always:
                some.setdefault(one, []).append(screen)
    preloaded = [f'    <link rel="modulepreload" href="{STATIC}{path}">\n' for path in always]
    named = [
        f'    <link data-screens="{" ".join(names)}" href="{STATIC}{path}">\n'
        for path, names in some.items()
    ]
    return "".join(preloaded + named)
