/**
 * How a cell of the terminal looks, as a span's style. Pure.
 *
 * The first 16 colours and those of the page are classes, so that they follow its scheme; others are given by value.
 * Whatever the output chose, its text can be read in both schemes: where it could not, its colour is changed.
 */
import { legible } from "./contrast.js";
import { DARK, LIGHT } from "./palette.js";

/**
 * @typedef {number|string|null} Color one of the first 16, "#rrggbb", "canvas" or "text" of the page; null: none
 * @typedef {import("@xterm/headless").IBufferCell} Cell
 */

const CUBE = 16;
const GREYS = 232;
const MAX_KNOWN = 4096;

/** @param {number} rgb @returns {string} */
const hex = (rgb) => "#" + rgb.toString(16).padStart(6, "0");

/** @param {number} index in the table of 256 @returns {Color} */
function indexed(index) {
  if (index < CUBE) return index;
  if (index >= GREYS) return hex((8 + 10 * (index - GREYS)) * 0x010101);
  const level = (step) => (step === 0 ? 0 : 55 + 40 * step);
  const place = index - CUBE;
  return hex((level(Math.floor(place / 36)) << 16) | (level(Math.floor(place / 6) % 6) << 8) | level(place % 6));
}

/** @param {Color} color @param {import("./palette.js").Palette} palette @param {string} none @returns {string} */
function resolved(color, palette, none) {
  if (color === null) return none;
  if (typeof color === "number") return palette.ansi[color];
  return color === "canvas" ? palette.surface : color === "text" ? palette.text : color;
}

/**
 * @param {Color} foreground
 * @param {Color} background
 * @returns {string|null} a CSS colour for text that could not be read there; null: it can be
 */
function corrected(foreground, background) {
  const [light, dark] = [LIGHT, DARK].map((palette) => {
    const wanted = resolved(foreground, palette, palette.text);
    return { wanted, shown: legible(wanted, resolved(background, palette, palette.surface)) };
  });
  if (light.shown === light.wanted && dark.shown === dark.wanted) return null;
  return light.shown === dark.shown ? light.shown : `light-dark(${light.shown}, ${dark.shown})`;
}

/** @param {Cell} cell @returns {[Color, Color]} the text's and the ground's */
function colors(cell) {
  const foreground = cell.isFgDefault() ? null : cell.isFgRGB() ? hex(cell.getFgColor()) : indexed(cell.getFgColor());
  const background = cell.isBgDefault() ? null : cell.isBgRGB() ? hex(cell.getBgColor()) : indexed(cell.getBgColor());
  if (cell.isInverse()) return [background ?? "canvas", foreground ?? "text"];
  return [foreground ?? (typeof background === "number" ? "canvas" : null), background];
}

const MARKS = [
  ["bold", (cell) => cell.isBold()],
  ["dim", (cell) => cell.isDim()],
  ["italic", (cell) => cell.isItalic()],
  ["underline", (cell) => cell.isUnderline()],
  ["strike", (cell) => cell.isStrikethrough()],
  ["overline", (cell) => cell.isOverline()],
  ["concealed", (cell) => cell.isInvisible()],
];

const byValue = (color) => typeof color === "string" && color.startsWith("#");

/** @param {Cell} cell @returns {{style?: import("./render.js").Style, hidden?: boolean}} */
function lookOf(cell) {
  const [foreground, background] = colors(cell);
  const hidden = Boolean(cell.isInvisible());
  const classes = MARKS.filter(([, has]) => has(cell)).map(([name]) => name);
  const better = hidden ? null : corrected(foreground, background);
  const shown = hidden ? null : (better ?? foreground);
  if (shown !== null && !better && !byValue(shown)) classes.push(`fg-${shown}`);
  if (background !== null && !byValue(background)) classes.push(`bg-${background}`);
  const style = { classes: classes.join(" ") };
  if (better || byValue(shown)) style.foreground = shown;
  if (byValue(background)) style.background = background;
  const plain = style.classes === "" && !style.foreground && !style.background;
  return { ...(plain ? {} : { style }), ...(hidden ? { hidden } : {}) };
}

/** @type {Map<string, {style?: import("./render.js").Style, hidden?: boolean}>} */
const known = new Map();

/**
 * @param {Cell} cell
 * @param {string} key the same for cells that look the same
 * @returns {{style?: import("./render.js").Style, hidden?: boolean}} what its span has besides text; the same look is
 *   the same object
 */
export function look(cell, key) {
  let found = known.get(key);
  if (!found) {
    if (known.size >= MAX_KNOWN) known.clear();
    found = lookOf(cell);
    known.set(key, found);
  }
  return found;
}
