/** The colours that output is drawn with in both schemes, as css/base/tokens.css has them (a test holds it). */

/** @typedef {{surface: string, text: string, ansi: string[]}} Palette "#rrggbb" each */

/** @type {Palette} */
export const LIGHT = {
  surface: "#ffffff",
  text: "#1b1d22",
  ansi: (
    "#24272e #b3261e #1a7a43 #8a6100 #1f5fc4 #94349a #0d7280 #6a707c " +
    "#5d6472 #cc332a #1d8048 #966a00 #2a6fdb #a843ae #0f7d8c #4a4f5a"
  ).split(" "),
};

/** @type {Palette} */
export const DARK = {
  surface: "#16181c",
  text: "#eceef2",
  ansi: (
    "#7b818d #ff8178 #62cf92 #e3b857 #7eb0ff #df95e4 #5ecbd9 #c9ced8 " +
    "#8a909d #ffa29b #86e0ae #f2d080 #a3c7ff #ecb5ef #8be0ea #ffffff"
  ).split(" "),
};
