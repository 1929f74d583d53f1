/**
 * A small output of a run that has ended, drawn by one terminal from its start to its end: where the cursor moved
 * between lines, what a block of them shows depends on all that came before.
 */
import { readPart } from "../../server/api.js";
import { renderLines } from "../terminal/render.js";
import { drawnOf } from "./line.js";
import { linesOf } from "./split.js";

/** Of an output that is drawn whole. */
export const WHOLE_BYTES = 1_000_000;
export const WHOLE_LINES = 20_000;

export class Whole {
  /** @param {string} runId @param {string} encoding @param {() => void} onChange its rows are there */
  constructor(runId, encoding, onChange) {
    Object.assign(this, { runId, encoding, onChange, abort: null });
    /** @type {Map<number, import("../../model/types.js").Row>} by the line's number */
    this.rows = new Map();
  }

  /** Reads it, once. Where that fails, the blocks are as good as before. */
  async read() {
    if (this.abort) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const part = await readPart(this.runId, { offset: 0, max_bytes: WHOLE_BYTES }, { signal });
      const lines = linesOf({ ...part, aligned: true, bounded: part.bytes.length < part.size }, this.encoding);
      const rows = await renderLines(lines.map((line) => drawnOf(line, "terminal")).filter(Boolean));
      if (signal.aborted) return;
      this.rows = new Map(rows.map((row) => [row.number, row]));
      this.onChange();
    } catch {
      this.rows = new Map();
    }
  }

  close() {
    this.abort?.abort();
  }
}
