/**
 * A notification at a run's end, for whoever asked for it: of this run, or of every run whose screen they open.
 *
 * The browser asks for its permission only when a person presses the button. Nothing is shown to somebody who looks at
 * the page at that moment, nor for a run that had ended when it was opened.
 */
import { readPreference, storePreference } from "../base/preferences.js";
import { go, toRun } from "../base/router.js";
import { Store } from "../base/store.js";
import { isActive } from "../model/run.js";
import { outcome, stateLabel } from "../words/run.js";

/** @typedef {import("../model/types.js").Run} Run */

const PREFERENCE = "notify";
const MOST_WISHES = 200;

/** Browsers know notifications on secure origins alone. */
export const canNotify = globalThis.isSecureContext && "Notification" in globalThis;

/** Whether every run that is opened is wished for. @type {Store<boolean>} */
export const notifyAlways = new Store(readPreference(PREFERENCE) === "always");

/** The ids of the runs wished for, and not ended yet. @type {Store<Set<string>>} */
export const wishes = new Store(new Set());

/** @returns {Promise<boolean>} whether the browser lets the page; asks whoever was not asked before */
async function permitted() {
  if (Notification.permission === "default") await Notification.requestPermission();
  return Notification.permission === "granted";
}

/** @param {boolean} always @returns {Promise<boolean>} false: the browser does not let the page */
export async function turnNotifyAlways(always) {
  if (always && !(await permitted())) return false;
  storePreference(PREFERENCE, always ? "always" : "asked");
  notifyAlways.set(always);
  return true;
}

/** Wishes for a run's end, or no more. @param {string} id @returns {Promise<boolean>} false: the browser does not let */
export async function toggleWish(id) {
  if (wishes.value.has(id)) {
    setWish(id, false);
    return true;
  }
  const may = await permitted();
  if (may) setWish(id, true);
  return may;
}

/** Where it is wished for every run. @param {Run} run that is opened */
export function noteOpened(run) {
  if (notifyAlways.value && isActive(run)) setWish(run.id, true);
}

function setWish(id, wished) {
  const ids = [...wishes.value].filter((each) => each !== id);
  wishes.set(new Set(wished ? [...ids.slice(1 - MOST_WISHES), id] : ids));
}

/** Tells of the end of a run that is wished for. @param {Run} run as it is known now @param {string} name */
export function noteRun(run, name) {
  if (isActive(run) || !wishes.value.has(run.id)) return;
  setWish(run.id, false);
  if (document.visibilityState === "visible" || Notification.permission !== "granted") return;
  show(run, name);
}

function show(run, name) {
  const body = [stateLabel(run.state), run.state !== "succeeded" && outcome(run)].filter(Boolean).join(", ");
  const icon = new URL("static/logo.svg", document.baseURI).href;
  const shown = new Notification(name, { body, tag: run.id, icon });
  shown.onclick = () => {
    window.focus();
    go(toRun(run.id));
    shown.close();
  };
}
