"""The page's HTML as it is served: with its files' version, and the modules that it needs. Pure."""

from server.handlers.page.joining import RUNTIME
from server.handlers.page.modules import Modules, vendors

STATIC = "static/"
PLACE = "    <!-- what main.js imports -->\n"
MAIN = "js/main.js"


def written(html: str, modules: Modules, version: str) -> str:
    """Return the HTML with paths of this version, and where PLACE is what it is to load early."""
    imported = [RUNTIME, *vendors(modules.needed(MAIN))]
    links = [f'    <link rel="modulepreload" href="{STATIC}{path}">\n' for path in imported]
    return html.replace(PLACE, "".join(links)).replace(f'"{STATIC}', f'"{STATIC}{version}/')
