/** Legible colours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast } from "../../js/output/terminal/contrast.js";
import { PLAIN, select, styleOf } from "../../js/output/style.js";

const LIGHT_AND_DARK = ["", "97;", "37;", "30;", "38;5;231;", "38;5;208;", "7;"];

test("on each of the 256 backgrounds all text is legible", () => {
  for (let ground = 16; ground < 256; ground += 1) {
    for (const text of LIGHT_AND_DARK) {
      const parameters = text === "7;" ? `7;38;5;${ground}` : `${text}48;5;${ground}`;
      const { color, background } = styleOf(select(PLAIN, parameters));
      assert.ok(contrast(color, background) >= 4.5, `${parameters}: ${color} on ${background}`);
    }
  }
});

test("legible text keeps its colour", () => {
  assert.equal(styleOf(select(PLAIN, "38;5;226;48;5;17")).color, "#ffff00");
  assert.equal(styleOf(select(PLAIN, "97;48;5;17")).color, "#ffffff");
});

test("the ratio is the one of WCAG", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
});
