/** The few pictures the page uses, drawn on a 16 by 16 grid; always beside or inside something labelled. */
import { html } from "../base/ui.js";

const PATHS = {
  start: "M5 3.2v9.6a.6.6 0 0 0 .92.5l7.4-4.8a.6.6 0 0 0 0-1L5.92 2.7A.6.6 0 0 0 5 3.2z",
  starred:
    "M7.46 1.94a.6.6 0 0 1 1.08 0l1.6 3.25 3.59.52a.6.6 0 0 1 .33 1.03l-2.6 2.53.62 3.57a.6.6 0 0 1-.87.63L8 11.78l-3.21 1.69a.6.6 0 0 1-.87-.63l.62-3.57-2.6-2.53a.6.6 0 0 1 .33-1.03l3.59-.52z",
  stop: "M4 4.8c0-.44.36-.8.8-.8h6.4c.44 0 .8.36.8.8v6.4c0 .44-.36.8-.8.8H4.8a.8.8 0 0 1-.8-.8z",
};

const STROKES = {
  more: "M4.5 6.5 8 10l3.5-3.5",
  up: "M4.5 9.5 8 6l3.5 3.5",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14",
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7z",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  wrap: "M2.5 4h11M2.5 8h8.7a2.3 2.3 0 0 1 0 4.6H8.5M10 11l-1.7 1.6L10 14.2M2.5 12.5h2.5",
  terminal: "M3.2 5 6 8l-2.8 3M8 11.5h5",
  follow: "M4 3.5 8 7.5l4-4M4 8.5l4 4 4-4",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.4",
  link: "M6.7 9.3a2.5 2.5 0 0 0 3.5 0l2.6-2.6a2.5 2.5 0 0 0-3.5-3.5l-.9.9M9.3 6.7a2.5 2.5 0 0 0-3.5 0L3.2 9.3a2.5 2.5 0 0 0 3.5 3.5l.9-.9",
  close: "M4 4l8 8M12 4l-8 8",
  compare: "M6.5 2.5h-4v11h4M9.5 2.5h4v11h-4M8 1.5v13",
  bell: "M8 2a4 4 0 0 0-4 4v2.6L2.7 11.2h10.6L12 8.6V6a4 4 0 0 0-4-4zM6.6 13.4a1.6 1.6 0 0 0 2.8 0",
  star: "M8 2.3l1.75 3.55 3.92.57-2.84 2.76.67 3.9L8 11.24l-3.5 1.84.67-3.9-2.84-2.76 3.92-.57z",
  person: "M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8zM2.5 13.5c.5-2.3 2.8-3.5 5.5-3.5s5 1.2 5.5 3.5",
};

/** @param {{name: keyof PATHS | keyof STROKES}} props */
export function Icon({ name }) {
  const filled = name in PATHS;
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" fill=${filled ? "currentColor" : "none"}
    stroke=${filled ? "none" : "currentColor"} stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">
    <path d=${PATHS[name] ?? STROKES[name]} />
  </svg>`;
}
