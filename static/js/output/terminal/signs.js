/**
 * Characters that would be invisible or would change how others are read, shown as signs. Pure.
 *
 * Bidirectional controls reorder what stands beside them, so that a text reads as another (CVE-2021-42574); characters
 * without width hide in words. The joiners U+200C and U+200D stay: emoji and Persian are written with them.
 */

const NAMES = new Map([
  [0x61c, "ALM"],
  [0x200b, "ZWSP"],
  [0x200e, "LRM"],
  [0x200f, "RLM"],
  [0x2028, "LSEP"],
  [0x2029, "PSEP"],
  [0x202a, "LRE"],
  [0x202b, "RLE"],
  [0x202c, "PDF"],
  [0x202d, "LRO"],
  [0x202e, "RLO"],
  [0x2060, "WJ"],
  [0x2066, "LRI"],
  [0x2067, "RLI"],
  [0x2068, "FSI"],
  [0x2069, "PDI"],
  [0xfeff, "BOM"],
]);
const DECEPTIVE = "\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060\\u2066-\\u2069\\ufeff";
const CONTROLS = "\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f";
/** One that is to be shown as a sign. */
const SIGNED = new RegExp(`[${CONTROLS}${DECEPTIVE}]`);
const EACH_DECEPTIVE = new RegExp(`[${DECEPTIVE}]`, "g");
const EACH_SIGNED = new RegExp(`[${CONTROLS}${DECEPTIVE}]`, "g");
/** Colours and links, which stay in effect as written, too. */
const LOOKS = /((?:\x1b\[|\x9b)[\d;:]*m|(?:\x1b\]|\x9d)8;[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c))/;
/**
 * In a terminal a sign is one character of private use, from plane 16: U+10F000 and the code of a control, or U+10F100
 * and the place of a deceptive one in the table.
 */
const MASK = 0x10f000;
const MASK_NAMED = 0x10f100;
const MASKED = /([\u{10f000}-\u{10f1ff}])/u;
const EACH_MASKED = /[\u{10f000}-\u{10f1ff}]/gu;
const CODES = [...NAMES.keys()];
/** The look of a sign; its own text is never mistaken for what was written. */
export const SIGN = { classes: "control-sign" };

/** Whether the text has any character that acts in a terminal (a tab is as good as blanks). */
export const CONTROL = new RegExp(`[${CONTROLS}]`);

/** @param {number} code of a control or a deceptive character @returns {string} what is shown in its place */
export function signOf(code) {
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `[${NAMES.get(code) ?? code.toString(16).toUpperCase()}]`;
}

/**
 * @param {string} text
 * @returns {import("./render.js").Span[]} the text with signs for what would not be seen
 */
export function signed(text) {
  if (text === "") return [];
  if (!SIGNED.test(text)) return [{ text }];
  return text
    .split(new RegExp(`(${SIGNED.source})`))
    .filter(Boolean)
    .map((part) => (SIGNED.test(part) ? { text: signOf(part.charCodeAt(0)), style: SIGN } : { text: part }));
}

/**
 * @param {string} text of a line
 * @param {"written"|"terminal"} as
 * @returns {string} the text for a terminal: what is to be shown as a sign is masked
 */
export function masked(text, as) {
  const own = MASKED.test(text) ? text.replace(EACH_MASKED, "\ufffd") : text;
  if (as === "terminal") return own.replace(EACH_DECEPTIVE, mask);
  const parts = own.split(LOOKS);
  return parts.map((part, i) => (i % 2 ? part : part.replace(EACH_SIGNED, mask))).join("");
}

function mask(character) {
  const code = character.charCodeAt(0);
  return String.fromCodePoint(NAMES.has(code) ? MASK_NAMED + CODES.indexOf(code) : MASK + code);
}

/**
 * @param {import("./render.js").Span} span of a terminal
 * @returns {import("./render.js").Span[]} with the signs that were masked
 */
export function unmasked(span) {
  if (!MASKED.test(span.text)) return [span];
  return span.text
    .split(MASKED)
    .filter(Boolean)
    .map((part) => (MASKED.test(part) ? { text: signOf(unmaskedCode(part)), style: SIGN } : { ...span, text: part }));
}

function unmaskedCode(character) {
  const code = character.codePointAt(0);
  return code >= MASK_NAMED ? CODES[code - MASK_NAMED] : code - MASK;
}
