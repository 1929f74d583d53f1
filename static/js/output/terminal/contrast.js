/** Text that is legible on its background: WCAG 2.2's contrast ratio, at least 4.5 to 1. Pure. */

const LEAST = 4.5;
const BLACK = "#000000";
const WHITE = "#ffffff";

/** @param {string} color "#rrggbb" @returns {number} 0 to 1 */
function luminance(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} one @param {string} other @returns {number} 1 to 21 */
export function contrast(one, other) {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** In how many steps a colour goes to black or white. */
const STEPS = 10;

/**
 * @param {string} color "#rrggbb"
 * @param {string} ground "#rrggbb"
 * @returns {string} the colour where it can be read there; else nearer to black or white, as little as is needed
 */
export function legible(color, ground) {
  if (contrast(color, ground) >= LEAST) return color;
  const end = contrast(BLACK, ground) > contrast(WHITE, ground) ? BLACK : WHITE;
  for (let step = 1; step < STEPS; step += 1) {
    const nearer = mixed(color, end, step / STEPS);
    if (contrast(nearer, ground) >= LEAST) return nearer;
  }
  return end;
}

/** @param {string} from @param {string} to @param {number} part 0 to 1 @returns {string} "#rrggbb" */
function mixed(from, to, part) {
  const at = (color, i) => Number.parseInt(color.slice(i, i + 2), 16);
  const channel = (i) => Math.round(at(from, i) + (at(to, i) - at(from, i)) * part);
  return "#" + [1, 3, 5].map((i) => channel(i).toString(16).padStart(2, "0")).join("");
}
