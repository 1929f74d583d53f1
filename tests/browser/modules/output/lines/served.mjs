/** An output as the server has it, in place of `fetch`: what was asked for and how many bytes were sent are counted. */

globalThis.document = Object.assign(new EventTarget(), { baseURI: "http://tailrun.test/", hidden: false });
globalThis.addEventListener = () => {};
globalThis.BroadcastChannel = class extends EventTarget {
  postMessage() {}
};

const NEWLINE = 10;

export class Served {
  /** @param {string|Uint8Array} output */
  constructor(output) {
    this.bytes = typeof output === "string" ? new TextEncoder().encode(output) : output;
    this.asked = [];
    this.sent = 0;
    /** Answers that are held back until they are let go. */
    this.held = null;
    /** After so many an answer breaks off. */
    this.mostBytes = Number.POSITIVE_INFINITY;
    this.failing = null;
    globalThis.fetch = (url, init) => this.#answer(new URL(url), init);
  }

  append(text) {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(text)]);
  }

  async #answer(url, { signal }) {
    const asked = Object.fromEntries(url.searchParams);
    this.asked.push(asked);
    if (this.held) await Promise.race([this.held, aborted(signal)]);
    if (this.failing) throw this.failing;
    const [from, to] = this.#part(asked);
    const part = this.bytes.subarray(from, Math.min(to, from + this.mostBytes));
    this.sent += part.length;
    const headers = { "Content-Type": "text/plain", "Tailrun-Offset": from, "Tailrun-Next": to };
    headers["Tailrun-First-Line"] = 1 + newlines(this.bytes.subarray(0, from));
    headers["Tailrun-Size"] = this.bytes.length;
    headers["Tailrun-Total-Lines"] = newlines(this.bytes) + (this.bytes.at(-1) === NEWLINE ? 0 : 1);
    return new Response(part, { headers });
  }

  #part({ lines, tail, offset, max_bytes }) {
    const starts = [0];
    for (let at = this.bytes.indexOf(NEWLINE); at !== -1; at = this.bytes.indexOf(NEWLINE, at + 1)) starts.push(at + 1);
    const size = this.bytes.length;
    if (starts.at(-1) === size) starts.pop();
    if (tail) return [Math.max(starts.at(-tail) ?? 0, size - max_bytes), size];
    const [first, last] = lines ? lines.split("-").map(Number) : [];
    const from = lines ? (starts[first - 1] ?? size) : Number(offset);
    const to = lines ? (starts[last] ?? size) : size;
    return [from, Math.min(to, from + Number(max_bytes))];
  }
}

const aborted = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

function newlines(bytes) {
  let count = 0;
  for (const byte of bytes) count += byte === NEWLINE ? 1 : 0;
  return count;
}

/** @param {() => boolean} holds @returns {Promise<void>} */
export async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** @param {object} row @returns {string|null} */
export const said = (row) => row && row.spans.map(({ text }) => text).join("");
