/** What an answer says: whether it is Tailrun's at all, what went wrong, and whether asking again may help. */
import { t } from "../words/words.js";

/** The statuses of a proxy that cannot reach the server behind it. */
const GATEWAY = [502, 503, 504];
/** Client errors that may not recur: a slow request, too many requests. */
const PASSING = [408, 429];

/** A request that did not do what was asked. */
export class Problem extends Error {
  /**
   * @param {string} detail a sentence for people
   * @param {object} [about]
   * @param {number} [about.status] of Tailrun's answer; 0: it gave none
   * @param {boolean} [about.answered] whether anybody answered, Tailrun or a proxy in its place
   * @param {boolean} [about.broken] the answer broke off
   * @param {number} [about.retryAfterSeconds]
   * @param {Record<string, unknown>} [about.errors] texts by the field that they are about
   */
  constructor(detail, { status = 0, answered = status > 0, broken = false, retryAfterSeconds = 0, errors = {} } = {}) {
    super(detail);
    Object.assign(this, { status, answered, broken, retryAfterSeconds });
    /** @type {Record<string, string[]>} */
    this.errors = {};
    for (const [field, texts] of Object.entries(errors)) {
      this.errors[field] = [texts].flat(2).map((text) => (typeof text === "string" ? text : JSON.stringify(text)));
    }
  }

  /** @returns {boolean} whether Tailrun said a clear no: the same request gets the same answer */
  get final() {
    return this.status >= 400 && this.status < 500 && !PASSING.includes(this.status);
  }
}

export const noAnswer = () => new Problem(t("server.silent"));
export const tooSlow = () => new Problem(t("problem.slow"), { answered: true });
export const rangeDropped = () => new Problem(t("problem.range"), { answered: true });
export const brokenOff = () => new Problem(t("problem.broken-off"), { answered: true, broken: true });

/** @param {Response} response @returns {boolean} proxies answer with pages of their own */
export const isJson = (response) => /json/.test(response.headers.get("Content-Type") ?? "");

/**
 * @param {Response} response which is not what was asked for
 * @returns {Promise<Problem>}
 */
export async function problemOf(response) {
  const { status, statusText } = response;
  if (response.type === "opaqueredirect") {
    // Tailrun redirects no request of the API.
    return new Problem(t("problem.redirect"), { answered: true });
  }
  const body = isJson(response) ? await response.json().catch(() => null) : null;
  if (body?.detail && status >= 400) {
    const retryAfterSeconds = Number(response.headers.get("Retry-After")) || 0;
    return new Problem(body.detail, { status, retryAfterSeconds, errors: body.errors });
  }
  if (GATEWAY.includes(status)) return noAnswer();
  const told = `${status} ${statusText}`.trim();
  return new Problem(t("problem.proxy", { status: told }), { answered: true });
}

/**
 * @param {Problem|null} problem null: the answer was what was asked for
 * @returns {import("./state.js").ServerState} what it says of the server
 */
export function stateAfter(problem) {
  if (problem === null || problem.final) return { kind: "ok" };
  if (!problem.answered) return { kind: "unreachable" };
  return { kind: "degraded", detail: problem.message };
}
