/** Asks for the number of a line to go to. */
import { html, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { t } from "../words/words.js";

/** @param {{onLine: (line: number) => void, onClose: () => void}} props */
export function LineDialog({ onLine, onClose }) {
  const [text, setText] = useState("");
  const line = Number(text.replace(/[\s.,_’'\u00a0\u202f]/g, ""));
  const isLine = Number.isSafeInteger(line) && line > 0;
  const submit = (event) => {
    event.preventDefault();
    if (!isLine) return;
    onClose();
    onLine(line);
  };
  return html`<${Dialog} title=${t("output.go-to-line")} onClose=${onClose}>
    <form class="go-to-line" onSubmit=${submit}>
      <input class="input" inputmode="numeric" autocomplete="off" autofocus aria-label=${t("output.line-number")}
        value=${text} onInput=${(event) => setText(event.target.value)} />
      <${Button} kind="main" type="submit" label=${t("output.go")} disabled=${!isLine} />
    </form>
  <//>`;
}
