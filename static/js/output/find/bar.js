/** The bar in which one says what is searched for, and learns how much of it there is. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../base/ui.js";
import { Button } from "../../parts/button.js";
import { showNotice } from "../../parts/notice.js";
import { t } from "../../words/words.js";
import { keepErrors } from "./find.js";
import { CONTEXTS, keyOf } from "./query.js";

const TYPING_MS = 250;
const SWITCHES = ["regex", "case", "word"];

/** @param {{find: ReturnType<typeof import("./find.js").useFind>}} props */
export function FindBar({ find }) {
  const [text, setText] = useState(find.query.text);
  const timer = useRef(0);
  // At once: what is typed next is meant for it.
  useLayoutEffect(() => {
    if (find.wantsField.current) find.field.current.select();
    find.wantsField.current = false;
  }, []);
  // What comes back of what was typed is older than what has been typed by now.
  const own = useRef(find.query.text);
  useEffect(() => {
    if (find.query.text === own.current) return;
    own.current = find.query.text;
    setText(find.query.text);
  }, [find.query.text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (next, step) => {
    clearTimeout(timer.current);
    own.current = next.text;
    find.search(next, step);
  };
  const typed = (event) => {
    const next = { ...find.query, text: event.target.value };
    setText(next.text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => keyOf(next) !== keyOf(find.query) && search(next, next.text ? 1 : 0), TYPING_MS);
  };
  const onKey = (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    search({ ...find.query, text }, event.shiftKey ? -1 : 1);
  };
  return html`<div class="find" role="search" aria-label=${t("find.title")}>
    <input ref=${find.field} class="find__text" type="search" maxlength="500" autocomplete="off" spellcheck=${false} value=${text}
      aria-label=${t("find.text")} placeholder=${t("find.text")} aria-invalid=${Boolean(find.hits?.problem)}
      aria-describedby="find-told" onInput=${typed} onKeyDown=${onKey} />
    ${SWITCHES.map(
      (name) => html`<${Button} small kind="quiet" label=${t(`find.${name}`)} aria-pressed=${find.query[name]}
        onClick=${() => search({ ...find.query, text, [name]: !find.query[name] }, text ? 1 : 0)} />`,
    )}
    <span class="find__told" id="find-told" role="status">${told(find)}</span>
    <${Button} small iconOnly kind="quiet" icon="up" label=${t("find.previous")} onClick=${() => find.go(-1)} />
    <${Button} small iconOnly kind="quiet" icon="more" label=${t("find.next")} onClick=${() => find.go(1)} />
    <${Button} small kind="quiet" label=${t("find.only")} aria-pressed=${find.shown.only}
      onClick=${() => find.show({ ...find.shown, only: !find.shown.only })} />
    ${find.shown.only && html`<${ContextChoice} shown=${find.shown} show=${find.show} />`}
    ${find.query.regex &&
    html`<${Button} small kind="quiet" label=${t("find.keep-errors")} onClick=${() => kept(text)} />`}
    <${Button} small iconOnly kind="quiet" icon="close" label=${t("find.close")} onClick=${find.close} />
  </div>`;
}

const ContextChoice = ({ shown, show }) => html`<select class="find__context" aria-label=${t("find.context")}
  title=${t("find.context")} value=${shown.context} onChange=${({ target }) => show({ ...shown, context: Number(target.value) })}>
  ${CONTEXTS.map((count) => {
    const name = count ? t("find.context.lines", { count }) : t("find.context.none");
    return html`<option key=${count} value=${count}>${name}</option>`;
  })}
</select>`;

function kept(text) {
  keepErrors(text);
  showNotice(t("find.errors-kept"));
}

/** "12 of 3,481"; a plus where it is not all counted. */
function told({ hits, current, query }) {
  if (!query.text || !hits) return "";
  if (hits.problem) return hits.problem.message;
  if (hits.complete && hits.count === 0) return t("find.none");
  const all = { count: hits.count, more: hits.complete ? "" : "+" };
  if (current?.ordinal === null || !current) return t("find.count", all);
  return t("find.place", { ...all, place: current.ordinal + 1 });
}

/**
 * Where the hits lie in the output, beside its bar.
 * @param {{find: ReturnType<typeof import("./find.js").useFind>, lineCount: number}} props
 */
export function FindMarks({ find, lineCount }) {
  if (!find.hits || find.shown.only) return null;
  const places = new Set(find.hits.parts.items.map(({ line }) => Math.round((1000 * (line - 1)) / Math.max(1, lineCount))));
  return html`<div class="find-marks" aria-hidden="true">
    ${[...places].map((place) => html`<i key=${place} style=${{ top: `${place / 10}%` }}></i>`)}
  </div>`;
}
