/** A button that opens a small menu (the "menu button" pattern of the ARIA Authoring Practices Guide). */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { Button } from "./button.js";

/**
 * @typedef {object} MenuItem
 * @property {string} words
 * @property {string} [detail] said more faintly
 * @property {boolean} [danger]
 * @property {() => void} run
 */

/** Which item a key leads to. @type {Record<string, (at: number, count: number) => number>} */
const MOVES = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at - 1 + count) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

/**
 * @param {object} props
 * @param {string} props.words what the menu is called
 * @param {MenuItem[]} props.items
 */
export function Menu({ words, items }) {
  const [open, setOpen] = useState(false);
  const place = useRef(null);
  const close = () => {
    setOpen(false);
    place.current.querySelector("button").focus();
  };
  const choose = (item) => {
    close();
    item.run();
  };
  useOutside(place, open, () => setOpen(false));
  const onKeyDown = (event) => {
    if (open && event.key === "Escape") close();
    else if (!open && event.key === "ArrowDown") setOpen(true);
    else return;
    event.preventDefault();
  };
  return html`<div class="menu" ref=${place} onKeyDown=${onKeyDown}>
    <${Button} bare icon="more" words=${words} aria-haspopup="menu" aria-expanded=${open}
      onClick=${() => setOpen(!open)} />
    ${open && html`<${Items} words=${words} items=${items} onChoose=${choose} />`}
  </div>`;
}

function Items({ words, items, onChoose }) {
  const list = useRef(null);
  useLayoutEffect(() => list.current.firstElementChild.focus(), []);
  const onKeyDown = (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const each = [...list.current.children];
    each[move(each.indexOf(document.activeElement), each.length)].focus();
  };
  return html`<div class="menu__items" role="menu" aria-label=${words} ref=${list} onKeyDown=${onKeyDown}>
    ${items.map(
      (item) => html`<button type="button" role="menuitem" tabindex="-1" key=${item.words}
        class=${item.danger ? "menu__item menu__item--danger" : "menu__item"} onClick=${() => onChoose(item)}>
        ${item.words}${item.detail && html`<span class="menu__detail">${item.detail}</span>`}
      </button>`,
    )}
  </div>`;
}

/** Calls when the focus or a press goes elsewhere. */
function useOutside(place, active, call) {
  useEffect(() => {
    if (!active) return undefined;
    const check = (event) => place.current.contains(event.target) || call();
    for (const type of ["pointerdown", "focusin"]) addEventListener(type, check);
    return () => {
      for (const type of ["pointerdown", "focusin"]) removeEventListener(type, check);
    };
  }, [active]);
}
