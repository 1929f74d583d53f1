/**
 * Matches patterns in rows, in a worker: the server's RE2 takes linear time, a browser's own patterns may take for ever,
 * and a page that waits for one is lost. One that does not answer is ended, and its pattern is not tried again.
 */

const MOST_MS = 500;

/** @typedef {[start: number, end: number][]} Found in UTF-16 code units */

export class Matcher {
  /** @param {RegExp} pattern */
  constructor(pattern) {
    this.pattern = pattern;
    /** @type {{text: string, take: (found: Found) => void}[]} in the order in which they are answered */
    this.asked = [];
    this.timer = 0;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.#answered(data));
  }

  /** @param {string} text @param {(found: Found) => void} take is not called once it has been ended */
  match(text, take) {
    if (!this.worker) return;
    this.asked.push({ text, take });
    if (this.asked.length === 1) this.#next();
  }

  end() {
    clearTimeout(this.timer);
    this.worker?.terminate();
    this.worker = null;
    this.asked = [];
  }

  #next() {
    this.timer = setTimeout(() => this.end(), MOST_MS);
    this.worker.postMessage({ pattern: this.pattern, text: this.asked[0].text });
  }

  #answered(found) {
    clearTimeout(this.timer);
    if (!this.worker) return;
    const { take } = this.asked.shift();
    if (this.asked.length) this.#next();
    take(found);
  }
}
