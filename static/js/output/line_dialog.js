/** Asks for the number of a line to go to, or for lines to choose, as `120-130`. */
import { html, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { t } from "../words/words.js";
import { parseLines } from "./selecting/lines.js";

/** @typedef {import("./selecting/lines.js").Lines} Lines */

/** @param {{onLine: (line: number) => void, onLines: (lines: Lines) => void, onClose: () => void}} props */
export function LineDialog({ onLine, onLines, onClose }) {
  const [text, setText] = useState("");
  const lines = parseLines(text.replace(/[\s.,_’'\u00a0\u202f]/g, "").replace("–", "-"));
  const submit = (event) => {
    event.preventDefault();
    if (!lines) return;
    onClose();
    if (lines.first === lines.last) onLine(lines.first);
    else onLines(lines);
  };
  return html`<${Dialog} title=${t("output.go-to-line")} onClose=${onClose}>
    <form class="go-to-line" onSubmit=${submit}>
      <input inputmode="numeric" autocomplete="off" autofocus aria-label=${t("output.line-number")}
        value=${text} onInput=${(event) => setText(event.target.value)} />
      <${Button} kind="main" type="submit" label=${t("output.go")} disabled=${!lines} />
    </form>
  <//>`;
}
