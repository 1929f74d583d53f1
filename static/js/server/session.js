/** Who the page speaks for: the only source for what is offered, for the screen of signing in and for its banner. */
import { Store } from "../base/store.js";

/**
 * @typedef {import("../model/types.js").Who} Who
 *
 * @typedef {object} Session
 * @property {"asking"|"in"|"out"|"ended"} kind asking: nothing is known yet; out: nobody has signed in here;
 * ended: somebody had, and the page waits with all that is on it
 * @property {Who|null} who null: the server did not say
 */

/** @type {Store<Session>} */
export const session = new Store({ kind: "asking", who: null });

/** Fires "doubt" when the server takes a request for nobody's, or not for one who may. */
export const doubts = new EventTarget();

const NOBODYS = 401;
const NOT_PERMITTED = 403;

/** @param {number} status of an answer, or of a stream that was refused */
export function noteStatus(status) {
  if (status === NOBODYS || status === NOT_PERMITTED) doubts.dispatchEvent(new Event("doubt"));
}

/**
 * @param {Who} who as the server says now
 * @returns {boolean} whether what was refused may be taken now: somebody is back, or it is somebody else
 */
export function reportWho(who) {
  const before = session.value;
  const isKnown = who.known_by !== "nobody";
  const isNew = before.kind === "asking" || before.kind === "out";
  const kind = isKnown ? "in" : isNew ? "out" : "ended";
  // What one may is kept while a session has ended, so that a form stays as it is.
  const next = kind === "ended" ? { kind, who: before.who } : { kind, who };
  if (JSON.stringify(next) !== JSON.stringify(before)) session.set(next);
  return kind === "in" && (before.kind === "ended" || (before.kind === "in" && isOther(who, before.who)));
}

/** A session that ends leaves somebody, too, where the page is on the machine of Tailrun. */
const isOther = (who, before) =>
  before !== null && (who.principal !== before.principal || who.known_by !== before.known_by);

/** The server did not say who asks: everything is offered, and the server decides. */
export function reportUnknown() {
  if (session.value.kind === "asking") session.set({ kind: "in", who: null });
}
