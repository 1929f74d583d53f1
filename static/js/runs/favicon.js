/** The tab's icon shows a run's state by its shape and its colour. */
import { useEffect } from "../base/ui.js";
import { t } from "../words/words.js";

const SHAPES = {
  queued: ["#8b92a0", '<circle cx="16" cy="16" r="8" fill="none" stroke-width="4"/>'],
  running: ["#2f7ae5", '<path d="M10 7v18l16-9z"/>'],
  paused: ["#2f7ae5", '<path d="M8 7h6v18H8zm10 0h6v18h-6z"/>'],
  succeeded: ["#1d8a57", '<path d="M6 17l7 7 13-15" fill="none" stroke-width="5"/>'],
  failed: ["#cf3a32", '<path d="M8 8l16 16M24 8L8 24" fill="none" stroke-width="5"/>'],
};
const OTHER = ["#7a6f5c", '<path d="M8 8h16v16H8z"/>'];

/** @param {string} state as it is shown @returns {string} a URL */
function iconOf(state) {
  const [color, shape] = SHAPES[state] ?? OTHER;
  const frame = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"';
  const svg = `<svg ${frame} fill="${color}" stroke="${color}">${shape}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

/** Shows a state for as long as the component is shown. @param {string|null} state null: the page's own icon */
export function useFavicon(state) {
  useEffect(() => {
    if (state === null) return undefined;
    const link = document.querySelector("link[rel=icon]");
    const before = link.href;
    link.href = iconOf(state);
    return () => {
      link.href = before;
    };
  }, [state]);
}

/**
 * The tab of a list: how many of its runs are going on, in its icon and in its name.
 * @param {string} title
 * @param {number} count
 * @returns {string} what the tab is called
 */
export function useRunningTab(title, count) {
  useFavicon(count > 0 ? "running" : null);
  return count > 0 ? t("tab.running", { count, title }) : title;
}
