"""Which modules are needed, as their texts say; and the HTML that names them."""

import re

from server.handlers.page.index import PLACE, written
from server.handlers.page.modules import needed, screens

SOURCES = {
    "js/opening.js": 'import { parse } from "./base/routes.js";\n',
    "js/main.js": (
        "/** import { a } from './no.js' */\n"
        'import {\n  a,\n  b as c,\n} from "./base/a.js";\n'
        'import "./base/effect.js";\n'
        'export { d } from "./base/d.js";\n'
        'export const from = "./base/no.js";\n'
        'export const LOGO = new URL("../base/no.js", import.meta.url);\n'
        'const later = () => import("./base/later.js");\n'
        'import { useScreen } from "./screens.js";\n'
    ),
    "js/screens.js": (
        "const MODULES = {\n"
        '  one: () => import("./one.js").then(({ One }) => One),\n'
        '  two: () => import("./two.js").then(({ Two }) => Two),\n'
        "};\n"
    ),
    "js/base/a.js": "import{x as n}from'../../vendor/x.js';\n",
    "js/base/d.js": 'import { a } from "./a.js";\nimport "./missing.js";\n',
    "js/base/effect.js": "",
    "js/base/routes.js": "",
    "js/base/later.js": "",
    "js/base/no.js": "",
    "js/base/shared.js": "",
    "js/one.js": 'import { s } from "./base/shared.js";\nimport { a } from "./base/a.js";\n',
    "js/two.js": 'import { s } from "./base/shared.js";\n',
    "vendor/x.js": "export const x = 1;\n",
}


def test_a_modules_static_imports_are_needed_and_theirs_nearest_first() -> None:
    found = needed("js/main.js", SOURCES)
    assert found == [
        "js/main.js",
        "js/base/a.js",
        "js/base/effect.js",
        "js/base/d.js",
        "js/screens.js",
        "vendor/x.js",
    ]


def test_modules_that_import_each_other_are_named_once() -> None:
    sources = {"a.js": 'import "./b.js";', "b.js": 'import "./a.js";'}
    assert needed("a.js", sources) == ["a.js", "b.js"]


def test_the_table_of_screens_tells_their_modules() -> None:
    assert screens("js/screens.js", SOURCES) == {"one": "js/one.js", "two": "js/two.js"}


def test_the_html_names_what_every_screen_needs_and_for_each_screen_the_rest() -> None:
    html = f'<link href="static/page.css">\n{PLACE}<a href="swagger/index.html">'
    text = written(html, SOURCES, "v-1")
    assert text.startswith('<link href="static/v-1/page.css">\n')
    assert text.endswith('<a href="swagger/index.html">')
    preloaded = re.findall(r'<link rel="modulepreload" href="static/v-1/([^"]+)">', text)
    opening = ["js/opening.js", "js/base/routes.js"]
    assert preloaded == [*opening, *needed("js/main.js", SOURCES)]
    some = re.findall(r'<link data-screens="([^"]+)" href="static/v-1/([^"]+)">', text)
    assert some == [
        ("one", "js/one.js"),
        ("one two", "js/base/shared.js"),
        ("two", "js/two.js"),
    ]
