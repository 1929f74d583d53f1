/** Puts the whole output into the clipboard, as it is drawn; of a large one, its end. */
import { copyAndTell } from "../parts/copying.js";
import { showProblem } from "../parts/notice.js";
import { readPart } from "../server/api.js";
import { bytes } from "../words/format.js";
import { t } from "../words/words.js";
import { textOf } from "./decoding.js";
import { renderLines } from "./terminal/render.js";

/** More is not put into a clipboard: there is the download for that. */
const COPIED_BYTES = 4 * 1024 * 1024;
const WAIT_MS = 4000; // browsers allow copying only so long after a user's action

/**
 * @param {import("../model/types.js").Run} run
 * @param {{encoding: string, as: "written"|"terminal"}} how
 */
export async function copyOutput(run, { encoding, as }) {
  try {
    const range = { tail: Number.MAX_SAFE_INTEGER, max_bytes: COPIED_BYTES };
    const part = await readPart(run.id, range, { signal: AbortSignal.timeout(WAIT_MS) });
    const told = part.offset === 0 ? t("output.copied") : t("output.copied-end", { size: bytes(COPIED_BYTES) });
    await copyAndTell(await drawn(textOf(part.bytes, part.offset, encoding), as), told);
  } catch (problem) {
    showProblem(problem);
  }
}

/** @returns {Promise<string>} */
async function drawn(text, as) {
  const lines = text.split("\n").map((line, at) => ({ number: at + 1, offset: null, text: line, rest: 0, whole: true }));
  const rows = await renderLines(lines, { as });
  const shown = rows.filter(({ swallowed }) => !swallowed);
  return shown.map(({ spans }) => spans.map((span) => span.text).join("")).join("\n");
}
