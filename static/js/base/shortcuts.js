/** Single-key shortcuts; `?` lists those that apply. */
import { readPreference, storePreference } from "./preferences.js";
import { Store } from "./store.js";
import { useLayoutEffect, useRef } from "./ui.js";

/**
 * @typedef {object} Shortcut
 * @property {string} key as in KeyboardEvent.key
 * @property {string} description
 * @property {() => void} run
 */

export const [EVERYWHERE, SCREEN, FOREMOST] = [0, 1, 2];

/** @type {{current: Shortcut[], rank: number}[]} where a key is taken twice, the later group has it */
let groups = [];

/** Whether single-key shortcuts are enabled; people who dictate turn them off (WCAG 2.2, 2.1.4). */
export const shortcutsOn = new Store(readPreference("shortcuts") !== "off");

/** @param {boolean} on */
export function turnShortcuts(on) {
  storePreference("shortcuts", on ? "on" : "off");
  shortcutsOn.set(on);
}

/**
 * Shortcuts of a component, for as long as it is shown.
 * @param {Shortcut[]} shortcuts
 * @param {{rank?: number}} [options] of two that take a key, the one of the higher rank has it: EVERYWHERE, or
 * without one, a screen; FOREMOST
 */
export function useShortcuts(shortcuts, { rank = SCREEN } = {}) {
  const group = useRef(shortcuts);
  group.current = shortcuts;
  group.rank = rank;
  useLayoutEffect(() => {
    groups = [...groups, group].sort((one, other) => one.rank - other.rank);
    return () => {
      groups = groups.filter((each) => each !== group);
    };
  }, []);
}

/** @returns {Shortcut[]} all that apply now */
export function activeShortcuts() {
  const byKey = new Map();
  for (const group of groups) for (const shortcut of group.current) byKey.set(shortcut.key, shortcut);
  return [...byKey.values()];
}

const typing = (target) =>
  target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector("dialog[open]")
  )
    return;
  const escape = event.key === "Escape";
  if (!escape && (typing(event.target) || !shortcutsOn.value)) return;
  const shortcut = activeShortcuts().find(({ key }) => key === event.key);
  if (!shortcut) return;
  event.preventDefault();
  shortcut.run();
}

addEventListener("keydown", onKey);
