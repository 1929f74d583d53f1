/** How many columns text takes, as terminals count them (UAX #11, "East Asian Width"). Pure. */
import { eastAsianWidth } from "../../vendor/get-east-asian-width/index.js";

const TAB_COLUMNS = 8;

/** Where it finds nothing, each UTF-16 unit is a column. */
const UNEVEN =
  /[\t\p{M}\p{Cf}\u1100-\u11ff\u231a-\u23ff\u25fd-\u27bf\u2b00-\u2bff\u2e80-\ua4cf\ua960-\ua97f\uac00-\uffff\u{10000}-\u{10ffff}]/u;
/** What is drawn onto the character before it; the vowels and finals of Hangul among them. */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

/** @param {string} text @returns {boolean} whether each of its UTF-16 units is a column */
export const isEven = (text) => !UNEVEN.test(text);

/** @param {string} character a code point @param {number} column where it stands @returns {number} */
function widthOf(character, column) {
  if (character === "\t") return TAB_COLUMNS - (column % TAB_COLUMNS);
  if (ZERO_WIDTH.test(character)) return 0;
  return eastAsianWidth(character.codePointAt(0));
}

/**
 * @param {string} text
 * @param {number} column where it begins
 * @returns {number} how many columns it takes
 */
export function columns(text, column) {
  if (isEven(text)) return text.length;
  let end = column;
  for (const character of text) end += widthOf(character, end);
  return end - column;
}

/**
 * The part of a text between two columns. What is drawn onto a character goes with it; of a wide one that is cut
 * through, blanks are left.
 *
 * @param {string} text
 * @param {number} column where it begins
 * @param {number} from
 * @param {number} to
 * @returns {string}
 */
export function part(text, column, from, to) {
  if (isEven(text)) return text.slice(Math.max(0, from - column), Math.max(0, to - column));
  let kept = "";
  let start = column;
  for (const character of text) {
    const end = start + widthOf(character, start);
    const whole = start === end ? (start > from || start === 0) && start <= to : start >= from && end <= to;
    if (whole) kept += character;
    else kept += " ".repeat(Math.max(0, Math.min(end, to) - Math.max(start, from)));
    start = end;
  }
  return kept;
}
