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
