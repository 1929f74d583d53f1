/** Colours and weights of output (ECMA-48 SGR, "select graphic rendition"). Pure. */
import { readableOn } from "./terminal/contrast.js";

/**
 * How a stretch of output looks; null is the plain look. The same look is the same object.
 * @typedef {object} Style
 * @property {string} className
 * @property {string} color "" or a CSS colour
 * @property {string} background "" or a CSS colour
 */

/** @typedef {{fg: number|string|null, bg: number|string|null, marks: readonly string[], inverse: boolean}} Pen */

/** @type {Pen} */
export const PLAIN = { fg: null, bg: null, marks: [], inverse: false };

const MARKS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike" };
/** The codes that take a colour of 256 or of 16 million; 58, the underline's, is skipped. */
const EXTENDED = { 38: "fg", 48: "bg", 58: "" };
const MARKS_OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 29: ["strike"] };

/**
 * @param {Pen} pen
 * @param {string} parameters between `ESC [` and `m`, such as "1;38;5;208"
 * @returns {Pen}
 */
export function select(pen, parameters) {
  const codes = parameters.split(";");
  for (let i = 0; i < codes.length; i += 1) {
    const [code, ...details] = codes[i].split(":").map(Number);
    if (code in EXTENDED) {
      const wanted = details.length ? details : codes.slice(i + 1, i + 5).map(Number);
      const [color, used] = extendedColor(wanted);
      if (details.length === 0) i += used;
      if (color !== null && EXTENDED[code]) pen = { ...pen, [EXTENDED[code]]: color };
    } else {
      pen = selectOne(pen, code === 4 && details[0] === 0 ? 24 : code);
    }
  }
  return pen;
}

/** @param {Pen} pen @param {number} code @returns {Pen} unchanged where the code means nothing here */
function selectOne(pen, code) {
  if (code === 0) return PLAIN;
  if (MARKS[code]) return pen.marks.includes(MARKS[code]) ? pen : { ...pen, marks: [...pen.marks, MARKS[code]] };
  if (MARKS_OFF[code]) return { ...pen, marks: pen.marks.filter((mark) => !MARKS_OFF[code].includes(mark)) };
  if (code === 7 || code === 27) return { ...pen, inverse: code === 7 };
  if (code === 39) return { ...pen, fg: null };
  if (code === 49) return { ...pen, bg: null };
  if (code >= 30 && code <= 37) return { ...pen, fg: code - 30 };
  if (code >= 40 && code <= 47) return { ...pen, bg: code - 40 };
  if (code >= 90 && code <= 97) return { ...pen, fg: code - 82 };
  if (code >= 100 && code <= 107) return { ...pen, bg: code - 92 };
  return pen;
}

/**
 * @param {number[]} codes after 38: 5 and an index, or 2 and (a colour space, where it has five,) red, green and blue
 * @returns {[number|string|null, number]} the colour, and how many codes it took
 */
function extendedColor(codes) {
  if (codes[0] === 5) return [indexed(codes[1]), 2];
  if (codes[0] !== 2) return [null, 0];
  const rgb = codes.length > 4 ? codes.slice(2, 5) : codes.slice(1, 4);
  const valid = rgb.length === 3 && rgb.every((part) => part >= 0 && part <= 255);
  return [valid ? hex(...rgb) : null, 4];
}

const hex = (...parts) => "#" + parts.map((part) => part.toString(16).padStart(2, "0")).join("");

/** @param {number} index in the table of 256 @returns {number|string|null} the first 16 follow the page's theme */
function indexed(index) {
  if (!(index >= 0 && index <= 255)) return null;
  if (index < 16) return index;
  if (index >= 232) return hex(...Array(3).fill(8 + 10 * (index - 232)));
  const level = (step) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = index - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

const MAX_KNOWN = 4096;
/** @type {Map<string, Style>} */
const known = new Map();

/** @param {Pen} pen @returns {Style|null} */
export function styleOf(pen) {
  const { fg, bg, marks, inverse } = pen;
  if (fg === null && bg === null && marks.length === 0 && !inverse) return null;
  const key = `${fg} ${bg} ${marks} ${inverse}`;
  let style = known.get(key);
  if (!style) {
    if (known.size >= MAX_KNOWN) known.clear();
    style = makeStyle(inverse ? (bg ?? "canvas") : fg, inverse ? (fg ?? "text") : bg, marks);
    known.set(key, style);
  }
  return style;
}

const isHex = (color) => typeof color === "string" && color.startsWith("#");

function makeStyle(wanted, bg, marks) {
  const fg = isHex(bg) ? readableOn(wanted, bg) : wanted;
  const classes = [...marks];
  if (fg !== null && !isHex(fg)) classes.push(`fg-${fg}`);
  if (bg !== null && !isHex(bg)) classes.push(`bg-${bg}`);
  return { className: classes.join(" "), color: isHex(fg) ? fg : "", background: isHex(bg) ? bg : "" };
}
