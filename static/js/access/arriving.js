/** A sign-in that leads here, by a link or from a provider: finished at once, and what became of it. */
import { arrival } from "../base/arrival.js";
import { returnToPlace } from "../base/place.js";
import { Store } from "../base/store.js";
import { showNotice } from "../parts/notice.js";
import { session } from "../server/session.js";
import { checkSession, signIn } from "../server/signing.js";
import { failedSignIn } from "../words/access.js";
import { t } from "../words/words.js";

const REFUSED = 401;

/** Why the last sign-in failed, for the screen of signing in. @type {Store<string|null>} */
export const signInProblem = new Store(null);

/** Finishes the sign-in in the address, if there is one, and each that comes. */
export function followSignIns() {
  arrival.watch(finish);
  if (location.hash === "") returnToPlace();
  if (arrival.value === null) checkSession();
  else finish(arrival.value);
}

async function finish(arrived) {
  if (arrived === null) return;
  arrival.set(null);
  signInProblem.set(null);
  if (arrived.failed !== undefined) {
    await fail(failedSignIn(arrived.failed));
    return;
  }
  try {
    await signIn(arrived.ticket);
    showNotice(t("sign-in.done"));
  } catch (problem) {
    await fail(problem.status === REFUSED ? t("sign-in.link-refused") : problem.message);
  }
}

async function fail(text) {
  await checkSession();
  // Where the screen of signing in is not shown, it cannot tell.
  if (session.value.kind === "out") signInProblem.set(text);
  else showNotice(text, { isError: true });
}
