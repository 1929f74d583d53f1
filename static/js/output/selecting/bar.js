/** What can be done with the lines that are chosen. */
import { FOREMOST, useShortcuts } from "../../base/shortcuts.js";
import { html } from "../../base/ui.js";
import { Button } from "../../parts/button.js";
import { copyAndTell } from "../../parts/copying.js";
import { showProblem } from "../../parts/notice.js";
import { readPart } from "../../server/api.js";
import { bytes } from "../../words/format.js";
import { t } from "../../words/words.js";
import { textOf } from "../decoding.js";

/** @typedef {import("./lines.js").Lines} Lines */

/** More is not put into a clipboard: there is the download for that. */
const COPIED_BYTES = 4 * 1024 * 1024;
/** Browsers let a page copy only so long after a person's action. */
const WAIT_MS = 4000;

/** @param {string} runId @param {string} encoding @param {Lines} lines */
async function copyLines(runId, encoding, lines) {
  try {
    const part = { lines: `${lines.first}-${lines.last}`, max_bytes: COPIED_BYTES };
    const { bytes: data, offset } = await readPart(runId, part, { signal: AbortSignal.timeout(WAIT_MS) });
    const count = lines.last - lines.first + 1;
    const isWhole = data.length < COPIED_BYTES;
    const told = isWhole ? t("chosen.copied", { count }) : t("chosen.copied-part", { size: bytes(COPIED_BYTES) });
    await copyAndTell(textOf(data, offset, encoding), told);
  } catch (problem) {
    showProblem(problem);
  }
}

/** @param {Lines} lines @returns {string} */
const name = ({ first, last }) =>
  first === last ? t("chosen.line", { line: String(first) }) : t("chosen.lines", { first: String(first), last: String(last) });

/**
 * @param {object} props
 * @param {string} props.runId
 * @param {string} props.encoding
 * @param {Lines} props.lines
 * @param {() => void} props.onNone none is to be chosen any more
 */
export function ChosenBar({ runId, encoding, lines, onNone }) {
  const copy = () => copyLines(runId, encoding, lines);
  const shortcuts = [
    { key: "y", description: t("chosen.copy"), run: copy },
    { key: "Escape", description: t("chosen.none"), run: onNone },
  ];
  useShortcuts(shortcuts, { rank: FOREMOST });
  return html`<div class="chosen-lines" role="group" aria-label=${t("chosen.title")}>
    <span class="chosen-lines__names" role="status">${name(lines)}</span>
    <${Button} small compact kind="quiet" icon="copy" label=${t("chosen.copy")} onClick=${copy} />
    <${Button} small compact kind="quiet" icon="link" label=${t("chosen.copy-link")}
      onClick=${() => copyAndTell(location.href, t("chosen.link-copied"))} />
    <${Button} small iconOnly kind="quiet" icon="close" label=${t("chosen.none")} onClick=${onNone} />
  </div>`;
}
