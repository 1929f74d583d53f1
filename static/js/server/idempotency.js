/** A request that is repeated after its answer was lost takes effect once: the server knows its Idempotency-Key. */

/** After this time the same request means another one. */
const SAME_MS = 60_000;
/** @type {Map<string, {key: string, at: number}>} what got no answer */
const unanswered = new Map();

/** @returns {string} nobody else has it; `crypto.randomUUID` is kept to secure origins */
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");

/**
 * @template T
 * @param {string} what is asked for, all of it
 * @param {(key: string) => Promise<T>} ask
 * @returns {Promise<T>}
 */
export async function withIdempotencyKey(what, ask) {
  const before = unanswered.get(what);
  const key = before && performance.now() - before.at < SAME_MS ? before.key : newKey();
  unanswered.set(what, { key, at: performance.now() });
  try {
    const answer = await ask(key);
    unanswered.delete(what);
    return answer;
  } catch (problem) {
    if (problem.status > 0 && problem.status < 500) unanswered.delete(what);
    throw problem;
  }
}
