"""Which modules are needed, as their texts say; and the HTML that names them."""

from server.handlers.page.index import PLACE, written
from server.handlers.page.modules import Modules, vendors

MODULES = Modules(
    {
        "js/main.js": (
            "/** import { a } from './no.js' */\n"
            'import {\n  a,\n  b as c,\n} from "./base/a.js";\n'
            'import "./base/effect.js";\n'
            'export { d } from "./base/d.js";\n'
            'export const from = "./base/no.js";\n'
            'export const LOGO = new URL("../base/no.js", import.meta.url);\n'
            'const later = () => import("./base/later.js");\n'
        ),
        "js/base/a.js": "import{x as n}from'../../vendor/x.js';\n",
        "js/base/d.js": 'import { a } from "./a.js";\nimport "./missing.js";\n',
        "js/base/effect.js": "",
        "js/base/later.js": 'import { y } from "../../vendor/y.js";\n',
        "js/base/no.js": "",
        "vendor/x.js": "export const x = 1;\n",
        "vendor/y.js": 'import "./z.js";\n',
        "vendor/z.js": "const load = () => import('./no.js');\n",
    }
)
NEEDED = [
    "js/main.js",
    "js/base/a.js",
    "js/base/effect.js",
    "js/base/d.js",
    "vendor/x.js",
]


def test_a_modules_static_imports_are_needed_and_theirs_nearest_first() -> None:
    assert MODULES.needed("js/main.js") == NEEDED


def test_what_is_imported_later_is_reached_with_all_that_it_needs() -> None:
    later = ["js/base/later.js", "vendor/y.js", "vendor/z.js"]
    assert sorted(MODULES.reached("js/main.js")) == sorted([*NEEDED, *later])
    assert vendors(MODULES.needed("js/base/later.js")) == ["vendor/y.js", "vendor/z.js"]


def test_modules_that_import_each_other_are_named_once() -> None:
    modules = Modules({"a.js": 'import "./b.js";', "b.js": 'import "./a.js";'})
    assert modules.needed("a.js") == ["a.js", "b.js"]


def test_the_html_names_what_is_imported_beside_what_is_joined() -> None:
    html = f'<link href="static/page.css">\n{PLACE}<a href="swagger/index.html">'
    links = "".join(
        f'    <link rel="modulepreload" href="static/v-1/{path}">\n'
        for path in ("js/joined.js", "vendor/x.js")
    )
    expected = f'<link href="static/v-1/page.css">\n{links}<a href="swagger/index.html">'
    assert written(html, MODULES, "v-1") == expected
