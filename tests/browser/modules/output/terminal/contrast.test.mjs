/** Colours are brought nearer to black or white, as little as is needed, until they can be read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, legible } from "../../../js/output/terminal/contrast.js";

test("contrast is WCAG's", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#777777", "#777777"), 1);
});

test("a colour that can be read stays, another is changed until it can", () => {
  assert.equal(legible("#000064", "#ffffff"), "#000064");
  for (const ground of ["#ffffff", "#16181c", "#777777", "#ff0000", "#5f0000"]) {
    for (const color of ["#000000", "#ffffff", "#777777", "#0000ee", "#ffff00", ground]) {
      assert.ok(contrast(legible(color, ground), ground) >= 4.5, `${color} on ${ground}`);
    }
  }
});
