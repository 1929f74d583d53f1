/** Shows what two texts differ in. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../base/ui.js";
import { useShortcuts } from "../base/shortcuts.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { t } from "../words/words.js";
import { linesOf } from "./difference.js";
import { blocksOf, changesOf, rowCount, rowsIn } from "./rows.js";

/**
 * @typedef {import("./difference.js").Difference & {before: string[], after: string[]}} Found with the lines of both
 */

const SIGNS = { same: " ", gone: "−", added: "+" };
/** A comparison that is not done by then is ended. */
const MOST_MS = 10_000;
/** That are drawn at a time. */
const PAGE_ROWS = 500;
const NONE = new Set();

/**
 * @param {string|null} left null: it is not known yet
 * @param {string|null} right
 * @param {{times?: boolean, digits?: boolean}} [folded]
 * @returns {Found|"failed"|"late"|null} null: not yet; late: it took too long
 */
export function useDifference(left, right, { times = false, digits = false } = {}) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    setFound(null);
    if (left === null || right === null) return undefined;
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    // One that goes on for nothing takes a processor from what is looked at.
    const end = (told) => {
      clearTimeout(timer);
      worker.terminate();
      if (told) setFound(told);
    };
    const timer = setTimeout(() => end("late"), MOST_MS);
    worker.addEventListener("message", ({ data }) =>
      end({ ...data, before: linesOf(left), after: linesOf(right) }),
    );
    worker.addEventListener("error", () => end("failed"));
    worker.postMessage({ left, right, folded: { times, digits } });
    return () => end(null);
  }, [left, right, times, digits]);
  return found;
}

/**
 * @param {object} props
 * @param {Found|"failed"|"late"|null} props.difference
 * @param {string} props.label
 * @param {[number, number]} [props.first] the numbers of the first line of each text
 * @param {boolean} [props.keys] `n` and `N` go from one to the next
 */
export function DifferenceView({ difference, label, first = [1, 1], keys = false }) {
  if (difference === null) return html`<p class="difference__none" role="status">${t("difference.comparing")}</p>`;
  if (typeof difference === "string") return html`<p class="difference__none">${t(`difference.${difference}`)}</p>`;
  const { gone, added, rough } = difference;
  if (gone + added === 0) {
    return html`<p class="difference__none" role="status">${t(rough ? "difference.order" : "difference.none")}</p>`;
  }
  return html`<${Rows} difference=${difference} label=${label} first=${first} keys=${keys} />`;
}

function Rows({ difference, label, first, keys }) {
  const table = useRef(null);
  const [opened, setOpened] = useState(NONE);
  const [{ from, focused }, go] = useState({ from: 0, focused: null });
  const blocks = useMemo(() => blocksOf(difference.stretches, opened), [difference, opened]);
  const count = rowCount(blocks);
  useLayoutEffect(() => focused !== null && rowAt(table.current, focused)?.focus(), [focused]);
  const step = (by) => {
    const row = nextChange(changesOf(blocks), table.current, from, by);
    go({ from: row - (row % PAGE_ROWS), focused: { row } });
  };
  const toggle = (left) => setOpened(toggled(opened, left));
  return html`
    <${Sum} difference=${difference} step=${keys && step} />
    <${Pages} from=${from} count=${count} onGo=${(to) => go({ from: to, focused: null })} />
    <div class="difference" tabindex="0" role="region" aria-label=${label}>
      <table ref=${table}>
        <thead class="visually-hidden">
          <tr><th>${t("difference.first")}</th><th>${t("difference.second")}</th><th>±</th><th>${t("difference.line")}</th></tr>
        </thead>
        <tbody>
          ${rowsIn(blocks, from, from + PAGE_ROWS, difference).map((row) =>
            row.kind === "bar"
              ? html`<${Bar} key=${row.index} row=${row} onToggle=${toggle} />`
              : html`<${Line} key=${row.index} row=${row} first=${first} />`,
          )}
        </tbody>
      </table>
    </div>
    <${Pages} from=${from} count=${count} onGo=${(to) => go({ from: to, focused: null })} />
  `;
}

function Sum({ difference: { gone, added, rough }, step }) {
  return html`<div class="difference__sum">
    <p role="status">
      <span class="difference__gone">${t("difference.count.gone", { count: gone })}</span>${" "}
      <span class="difference__added">${t("difference.count.added", { count: added })}</span>
      ${rough && html` · ${t("difference.rough")}`}
    </p>
    ${step && html`<${Steps} step=${step} />`}
  </div>`;
}

function Steps({ step }) {
  useShortcuts([
    { key: "n", description: t("difference.next"), run: () => step(1) },
    { key: "N", description: t("difference.previous"), run: () => step(-1) },
  ]);
  return html`<span class="joined">
    <${Button} small iconOnly icon="up" label=${t("difference.previous")} onClick=${() => step(-1)} />
    <${Button} small iconOnly icon="more" label=${t("difference.next")} onClick=${() => step(1)} />
  </span>`;
}

/** Where there are more rows than are drawn at a time. */
const Pages = ({ from, count, onGo }) =>
  count > PAGE_ROWS &&
  html`<div class="difference__pages">
    <${Button} small label=${t("difference.earlier")} disabled=${from === 0} onClick=${() => onGo(from - PAGE_ROWS)} />
    <span>${t("difference.page", { first: from + 1, last: Math.min(count, from + PAGE_ROWS), count })}</span>
    <${Button} small label=${t("difference.later")} disabled=${from + PAGE_ROWS >= count}
      onClick=${() => onGo(from + PAGE_ROWS)} />
  </div>`;

const Bar = ({ row: { left, count, open }, onToggle }) => html`<tr class="difference__skipped"><td colspan="4">
  <button type="button" class="difference__bar" aria-expanded=${open} onClick=${() => onToggle(left)}>
    <${Icon} name=${open ? "up" : "more"} />${t("difference.same", { count })}
  </button>
</td></tr>`;

function Line({ row: { index, kind, left, right, text }, first }) {
  const differs = kind !== "same";
  return html`<tr class=${`difference__row difference__row--${kind}`} data-row=${index}
    tabindex=${differs ? "-1" : undefined}>
    <td class="difference__number">${left && left + first[0] - 1}</td>
    <td class="difference__number">${right && right + first[1] - 1}</td>
    <td class="difference__sign">
      <span aria-hidden="true">${SIGNS[kind]}</span>
      ${differs && html`<span class="visually-hidden">${t(`difference.${kind}`)}</span>`}
    </td>
    <td class="difference__text">${text}</td>
  </tr>`;
}

/** @param {Set<number>} set @returns {Set<number>} with the value, or without it where it was in it */
const toggled = (set, value) => (set.has(value) ? new Set([...set].filter((each) => each !== value)) : new Set([...set, value]));

/** @param {HTMLTableElement} table */
const rowAt = (table, { row }) => table.querySelector(`[data-row="${row}"]`);

/** @returns {number} the change after the row that has the focus, or else after where the page begins; or the one before */
function nextChange(changes, table, from, by) {
  const focused = table.contains(document.activeElement) ? document.activeElement.closest("[data-row]") : null;
  const here = focused ? Number(focused.dataset.row) : from - (by > 0 ? 1 : 0);
  if (by > 0) return changes.find((row) => row > here) ?? changes[0];
  return changes.findLast((row) => row < here) ?? changes.at(-1);
}
