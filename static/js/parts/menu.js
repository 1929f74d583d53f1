/** A button that opens a small menu (the "menu button" pattern of the ARIA Authoring Practices Guide). */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { useAction } from "./action.js";
import { Button } from "./button.js";

/**
 * @typedef {object} MenuItem
 * @property {string} label
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
 * @param {string} props.label
 * @param {MenuItem[]} props.items
 * @param {string} [props.icon]
 * @param {() => Promise<boolean>} [props.onOpen] sees to the items; false: there are none, and it stays closed
 */
export function Menu({ label, items, icon = "more", onOpen }) {
  const [open, setOpen] = useState(false);
  const place = useRef(null);
  const [openIt] = useAction(async () => setOpen(!onOpen || (await onOpen())));
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
    else if (!open && event.key === "ArrowDown") openIt();
    else return;
    event.preventDefault();
  };
  return html`<div class="menu" ref=${place} onKeyDown=${onKeyDown}>
    <${Button} iconOnly icon=${icon} label=${label} aria-haspopup="menu" aria-expanded=${open}
      onClick=${() => (open ? setOpen(false) : openIt())} />
    ${open && html`<${Items} label=${label} items=${items} onChoose=${choose} />`}
  </div>`;
}

function Items({ label, items, onChoose }) {
  const list = useRef(null);
  useLayoutEffect(() => list.current.firstElementChild.focus(), []);
  const onKeyDown = (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const each = [...list.current.children];
    each[move(each.indexOf(document.activeElement), each.length)].focus();
  };
  return html`<div class="menu__items" role="menu" aria-label=${label} ref=${list} onKeyDown=${onKeyDown}>
    ${items.map(
      (item) => html`<button type="button" role="menuitem" tabindex="-1" key=${item.label}
        class=${item.danger ? "menu__item menu__item--danger" : "menu__item"} onClick=${() => onChoose(item)}>
        ${item.label}${item.detail && html`<span class="menu__detail">${item.detail}</span>`}
      </button>`,
    )}
  </div>`;
}

/** Calls when the focus moves, or a pointer is pressed, outside of an element. */
function useOutside(place, active, call) {
  useEffect(() => {
    if (!active) return undefined;
    // The focus moves, too, while the screen with the menu goes.
    const check = (event) => place.current && !place.current.contains(event.target) && call();
    for (const type of ["pointerdown", "focusin"]) addEventListener(type, check);
    return () => {
      for (const type of ["pointerdown", "focusin"]) removeEventListener(type, check);
    };
  }, [active]);
}
