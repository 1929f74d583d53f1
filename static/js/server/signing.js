/** Signing in and out, and noticing that somebody has: in another tab, or that the session is over. */
import { askWho, closeSession, NOBODY, openSession } from "./access_api.js";
import { doubts, reportUnknown, reportWho, session } from "./session.js";
import { retryEvents, retryNow } from "./state.js";

const AGAIN_MS = 3000;
const REFUSED = 401;

/** Tells the browser's other tabs that somebody signed in or out. */
const tabs = new BroadcastChannel("tailrun.session");

let checking = null;
let timer = 0;

/** Asks who the page speaks for, as the whole page then knows. @returns {Promise<void>} */
export function checkSession() {
  checking ??= check().finally(() => {
    checking = null;
  });
  return checking;
}

async function check() {
  clearTimeout(timer);
  try {
    if (reportWho(await ask())) retryNow();
  } catch {
    reportUnknown();
  }
  // Whoever signs in elsewhere need not come back and reload.
  if (session.value.kind !== "in") timer = setTimeout(checkWhenSeen, AGAIN_MS);
}

/** A cookie that is refused is taken back with the answer: without it, somebody may be known after all. */
async function ask() {
  try {
    return await askWho();
  } catch (problem) {
    if (problem.status !== REFUSED) throw problem;
  }
  try {
    return await askWho();
  } catch (problem) {
    if (problem.status === REFUSED) return NOBODY;
    throw problem;
  }
}

function checkWhenSeen() {
  if (document.visibilityState === "visible") checkSession();
}

/** Exchanges the ticket of a sign-in link for a session. @param {string} ticket */
export async function signIn(ticket) {
  await openSession(ticket);
  tabs.postMessage("changed");
  await checkSession();
}

/** Ends the session; nothing of it stays in the page. */
export async function signOut() {
  await closeSession();
  tabs.postMessage("changed");
  history.replaceState(null, "", location.pathname + location.search);
  location.reload();
}

tabs.addEventListener("message", checkSession);
doubts.addEventListener("doubt", checkSession);
document.addEventListener("visibilitychange", checkWhenSeen);
retryEvents.addEventListener("now", () => (session.value.kind === "in" && session.value.who) || checkSession());
