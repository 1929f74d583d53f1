/** Shows what two texts differ in. */
import { html, useEffect, useRef, useState } from "../base/ui.js";
import { useShortcuts } from "../base/shortcuts.js";
import { t } from "../words/words.js";

/** @typedef {import("./difference.js").Difference} Difference */

const SIGNS = { same: " ", gone: "−", added: "+" };

/**
 * @param {string|null} left null: it is not known yet
 * @param {string|null} right
 * @param {{times?: boolean, digits?: boolean}} [folded]
 * @returns {Difference|null|undefined} null: not yet; undefined: it cannot be had
 */
export function useDifference(left, right, { times = false, digits = false } = {}) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    setFound(null);
    if (left === null || right === null) return undefined;
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => setFound(data));
    worker.addEventListener("error", () => setFound(undefined));
    worker.postMessage({ left, right, folded: { times, digits } });
    // One that goes on for nothing takes a processor from what is looked at.
    return () => worker.terminate();
  }, [left, right, times, digits]);
  return found;
}

/** @param {{difference: Difference|null|undefined, label: string, keys?: boolean}} props keys: `n` and `N` go on */
export function DifferenceView({ difference, label, keys = false }) {
  const table = useRef(null);
  const step = (by) => goOn(table.current, by);
  const shortcuts = [
    { key: "n", description: t("difference.next"), run: () => step(1) },
    { key: "N", description: t("difference.previous"), run: () => step(-1) },
  ];
  useShortcuts(keys ? shortcuts : []);
  if (difference === undefined) return html`<p class="difference__none">${t("difference.failed")}</p>`;
  if (difference === null) return html`<p class="difference__none" role="status">${t("difference.comparing")}</p>`;
  const { rows, gone, added, rough, cut } = difference;
  if (gone + added === 0) return html`<p class="difference__none" role="status">${t("difference.none")}</p>`;
  return html`
    <p class="difference__sum" role="status">
      <span class="difference__gone">− ${t("n.lines", { count: gone })}</span>${" "}
      <span class="difference__added">+ ${t("n.lines", { count: added })}</span>
      ${rough && html` · ${t("difference.rough")}`}
    </p>
    <div class="difference" tabindex="0" role="region" aria-label=${label}>
      <table ref=${table}>
        <thead class="visually-hidden">
          <tr><th>${t("difference.first")}</th><th>${t("difference.second")}</th><th>±</th><th>${t("difference.line")}</th></tr>
        </thead>
        <tbody>${rows.map((row, i) => html`<${Line} key=${i} row=${row} />`)}</tbody>
      </table>
    </div>
    ${cut && html`<p class="difference__none">${t("difference.cut", { count: rows.length })}</p>`}
  `;
}

function Line({ row: { kind, left, right, text, count } }) {
  if (kind === "skipped") {
    return html`<tr class="difference__skipped"><td colspan="4">${t("difference.same", { count })}</td></tr>`;
  }
  return html`<tr class=${`difference__row difference__row--${kind}`} tabindex=${kind === "same" ? undefined : "-1"}>
    <td class="difference__number">${left}</td>
    <td class="difference__number">${right}</td>
    <td class="difference__sign">
      <span aria-hidden="true">${SIGNS[kind]}</span>
      ${kind !== "same" && html`<span class="visually-hidden">${t(`difference.${kind}`)}</span>`}
    </td>
    <td class="difference__text">${text}</td>
  </tr>`;
}

/** To the first row of the next group that differs, or of the one before. @param {HTMLTableElement|null} table */
function goOn(table, by) {
  if (!table) return;
  const rows = [...table.querySelectorAll("tbody tr")];
  const differs = (row) => row !== undefined && row.hasAttribute("tabindex");
  const starts = rows.flatMap((row, i) => (differs(row) && !differs(rows[i - 1]) ? [i] : []));
  const here = rows.indexOf(document.activeElement);
  const at = by > 0 ? (starts.find((i) => i > here) ?? starts[0]) : (starts.findLast((i) => i < here) ?? starts.at(-1));
  rows[at]?.focus();
}
