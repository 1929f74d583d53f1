"""Modules joined to one: they import and export the same, each runs once, when it is needed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from server.handlers.page.joining import joined
from server.handlers.page.modules import OWN, Modules
from server.resources import static_directory

TEXTS = {
    "js/opening.js": ('import { told } from "./base/told.js";\n\ntold.push("opening");\n'),
    "js/main.js": (
        'import {\n  add,\n  told as all,\n} from "./base/told.js";\n'
        'import "./base/effect.js";\n'
        'import twice from "../vendor/twice.js";\n'
        'import { A, B, Kind, half as part, sum, use } from "./base/forms.js";\n\n'
        'const load = () => import("./later/screen.js").then(({ Screen }) => Screen);\n'
        "async function tell() {\n"
        "  add(twice(A + B), new Kind().name, part, use(), await sum(1, 2));\n"
        '  add((await load()).place.split("/js/")[1], (await load()) === (await load()));\n'
        "  console.log(JSON.stringify(all));\n}\n\ntell();\n"
    ),
    "js/base/told.js": (
        '/**\n * What is `told`: import { a } from "./a.js".\n */\n'
        'export const told = [];\n\n/** @param {import("./no.js").No} more */\n'
        "export function add(...more) {\n  told.push(.../** @type {string[]} */ (more));\n}\n"
    ),
    "js/base/effect.js": 'import { told } from "./told.js";\n\ntold.push("effect");\n',
    "js/base/forms.js": (
        'export { half } from "./half.js";\nexport {};\n'
        'export const [A, B] = [1, 2];\nexport class Kind {\n  name = "kind";\n}\n'
        "export async function sum(one, other) {\n  return one + other;\n}\n"
        'const used = () => "used";\n'
        "export { used as use };\n"
    ),
    "js/base/half.js": "export const half = 0.5;\n",
    "js/later/screen.js": (
        'import { told } from "../base/told.js";\n'
        'import { once } from "../../vendor/once.js";\n\n'
        "told.push(once);\n"
        'export const Screen = { place: new URL("./worker.js", import.meta.url).href };\n'
    ),
    "js/alone.js": "export const alone = 1;\n",
    "vendor/twice.js": "export default (one) => 2 * one;\n",
    "vendor/once.js": 'export const once = "once";\n',
}


def run(directory: Path, texts: dict[str, str]) -> list[object]:
    """Run main.js of some modules; return what it has logged."""
    assert shutil.which("node"), "These tests need Node (apt-get install nodejs)."
    (directory / "package.json").write_text('{"type": "module"}')
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    told = subprocess.run(
        ["node", directory / "js/main.js"], check=True, stdout=subprocess.PIPE, text=True
    )
    found: list[object] = json.loads(told.stdout)
    return found


def test_joined_modules_do_what_they_did_apart(tmp_path: Path) -> None:
    modules = Modules(TEXTS)
    runtime = {"js/joined.js": (static_directory() / "js/joined.js").read_text()}
    parts = {
        "js/opening.js": joined(modules, "js/opening.js"),
        "js/main.js": joined(modules, "js/main.js", before="js/opening.js"),
    }
    others = {name: text for name, text in TEXTS.items() if not name.startswith(OWN)}
    apart = {**TEXTS, "js/main.js": f'import "./opening.js";\n{TEXTS["js/main.js"]}'}
    (tmp_path / "apart").mkdir()
    (tmp_path / "together").mkdir()
    expected = run(tmp_path / "apart", apart)
    assert run(tmp_path / "together", {**others, **runtime, **parts}) == expected
    assert expected == [
        "opening",
        "effect",
        6,
        "kind",
        0.5,
        "used",
        3,
        "once",
        "later/worker.js",
        True,
    ]
    assert "told.js" not in parts["js/main.js"].split("add({")[1].split(": () =>")[0]
    assert "alone" not in parts["js/main.js"]
    assert "/**\n" not in parts["js/main.js"]


def page_modules() -> Modules:
    root = static_directory()
    paths = [*root.glob("js/**/*.js"), *root.glob("vendor/**/*.js")]
    return Modules({path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths})


def test_the_pages_modules_keep_to_what_can_be_joined() -> None:
    modules = page_modules()
    text = joined(modules, "js/main.js", before="js/opening.js")
    head, functions = text.split("add({\n", 1)
    assert re.findall(r"^(?:import|export)\b.*", functions, re.MULTILINE) == []
    assert re.findall(r"import\.meta|\bimport\(", functions) == []
    assert head.count("import ") == 2 + len(modules.needed("js/base/ui.js")) - 1
    assert (
        re.findall(
            r"^export (?:let|var|default)\b.*",
            "".join(modules.texts[path] for path in modules.texts if path.startswith(OWN)),
            re.MULTILINE,
        )
        == []
    )


def test_no_module_of_the_page_needs_itself() -> None:
    modules = page_modules()
    own = [path for path in modules.texts if path.startswith(OWN)]
    around = [
        path for path in own for one in modules.needed(path)[1:] if path in modules.needed(one)
    ]
    assert around == []
