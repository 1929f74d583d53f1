/** A line that is too long to be drawn, a part at a time. */
import { html, useEffect, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { outputUrl, query, readPart } from "../server/api.js";
import { bytes } from "../words/format.js";
import { t } from "../words/words.js";
import { signed } from "./terminal/signs.js";

/** Even, so that a part of UTF-16 begins with a character. */
const PART_BYTES = 64 * 1024;
const RAW_BYTES = 8 * 1024 * 1024;

/**
 * @param {object} props
 * @param {import("../model/types.js").Run} props.run
 * @param {import("../model/types.js").Row} props.row
 * @param {string} props.encoding
 * @param {() => void} props.onClose
 */
export function RestDialog({ run, row, encoding, onClose }) {
  const [part, setPart] = useState(0);
  const shown = usePart(run, row.offset + part * PART_BYTES, encoding);
  const raw = outputUrl(run.id) + query({ offset: row.offset + part * PART_BYTES, max_bytes: RAW_BYTES });
  const from = bytes(part * PART_BYTES);
  return html`<${Dialog} wide title=${t("output.line", { line: row.number })} onClose=${onClose}>
    <p class="muted">${t("output.part-from", { from })}</p>
    <pre class="rest__text" tabindex="0" role="region" aria-label=${t("output.part")} aria-busy=${shown === null}>
      ${shown?.problem ?? signed(shown?.text ?? "").map((span) => html`<span class=${span.style?.classes}>${span.text}</span>`)}
    </pre>
    <div class="dialog__actions">
      <a href=${raw} target="_blank" rel="noopener">${t("output.raw")}</a>
      <${Button} label=${t("output.part.before")} disabled=${part === 0} onClick=${() => setPart(part - 1)} />
      <${Button} label=${t("output.part.next")} disabled=${!shown?.more} onClick=${() => setPart(part + 1)} />
      <${Button} kind="main" label=${t("action.close")} onClick=${onClose} />
    </div>
  <//>`;
}

/** @returns {{text?: string, problem?: string, more?: boolean}|null} null: it is on its way */
function usePart(run, offset, encoding) {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    const { signal, ...leaving } = withAbort();
    setShown(null);
    readPart(run.id, { offset, max_bytes: PART_BYTES }, { signal }).then(
      (part) => setShown(lineOf(part, encoding)),
      (problem) => signal.aborted || setShown({ problem: problem.message }),
    );
    return leaving.abort;
  }, [run.id, offset, encoding]);
  return shown;
}

function withAbort() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** What of a part is of the line that it begins in. */
function lineOf({ bytes: data, offset, size }, encoding) {
  const text = new TextDecoder(encoding).decode(data);
  const end = text.indexOf("\n");
  return end === -1 ? { text, more: offset + data.length < size } : { text: text.slice(0, end), more: false };
}
