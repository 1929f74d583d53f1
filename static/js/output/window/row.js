/** One row as an element. Text becomes text nodes only. */
import { t } from "../../words/words.js";
import { bytes } from "../../words/format.js";

/** @typedef {import("../../model/types.js").Row} Row @typedef {import("../../model/types.js").Span} Span */

/** @returns {HTMLElement} an element for any row: its line's number, then its text */
export function rowElement() {
  const element = document.createElement("div");
  const number = document.createElement("button");
  number.type = "button";
  number.className = "out-row__number";
  number.tabIndex = -1;
  const text = document.createElement("span");
  text.className = "out-row__text";
  element.append(number, text);
  return element;
}

/**
 * @param {HTMLElement} element made by `rowElement`
 * @param {Row|null} row null: it is not there yet, and holds its place
 * @param {number} line its number
 */
export function fillRow(element, row, line) {
  const [number, text, ...added] = element.children;
  for (const one of added) one.remove();
  const looks = [row === null && "waiting", row?.swallowed && "swallowed", row?.beside].filter(Boolean);
  setOther(element, "className", ["out-row", ...looks.map((look) => `out-row--${look}`)].join(" "));
  setOther(element.dataset, "line", String(line));
  setOther(number.dataset, "number", String(line));
  setOther(number, "ariaLabel", t("output.line", { line }));
  setOther(number, "ariaHidden", row?.beside === "gap" ? "true" : null);
  text.replaceChildren(...(row?.spans ?? []).map(spanNode));
  if (row?.rest) element.append(restButton(row));
}

/** What is set to what it is has the browser work all the same. */
function setOther(target, name, value) {
  if (target[name] !== value) target[name] = value;
}

/** @param {Span} span @returns {Node} */
function spanNode({ text, style, href }) {
  if (!style && !href) return document.createTextNode(text);
  const element = document.createElement(href ? "a" : "span");
  element.textContent = text;
  if (href) Object.assign(element, { href, target: "_blank", rel: "noopener noreferrer", title: new URL(href).host });
  if (style?.classes) element.className = style.classes;
  if (style?.foreground) element.style.color = style.foreground;
  if (style?.background) element.style.backgroundColor = style.background;
  return element;
}

function restButton(row) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "out-row__rest";
  button.textContent = t("output.rest", { size: bytes(row.rest) });
  return button;
}
