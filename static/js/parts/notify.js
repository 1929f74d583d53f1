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
import { getRun } from "../server/api.js";
import { listen } from "../server/events.js";
import { outcome, stateLabel } from "../words/run.js";

/** @typedef {import("../model/types.js").Run} Run */

const PREFERENCE = "notify";
const MOST_WISHES = 200;

/** Browsers know notifications on secure origins alone. */
export const canNotify = globalThis.isSecureContext && "Notification" in globalThis;

/** Whether every run that is opened is wished for. @type {Store<boolean>} */
export const notifyAlways = new Store(readPreference(PREFERENCE) === "always");

/** The runs wished for, and not ended yet: by id, what each is called. @type {Store<Map<string, string>>} */
export const wishes = new Store(new Map());

let stopListening = null;

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

/**
 * Wishes for a run's end, or no more.
 * @param {string} id
 * @param {string} name
 * @returns {Promise<boolean>} false: the browser does not let the page
 */
export async function toggleWish(id, name) {
  const isWished = wishes.value.has(id);
  const may = isWished || (await permitted());
  if (may) setWish(id, isWished ? null : name);
  return may;
}

/** Where it is wished for every run. @param {Run} run that is opened @param {string} name */
export function noteOpened(run, name) {
  if (notifyAlways.value && isActive(run)) setWish(run.id, name);
}

/** The events tell of a run's end on every screen; they are heard while one is wished for. */
function setWish(id, name) {
  const others = [...wishes.value].filter(([each]) => each !== id);
  wishes.set(new Map(name === null ? others : [...others.slice(1 - MOST_WISHES), [id, name]]));
  if (wishes.value.size > 0) stopListening ??= listen({ onChange, onReset });
  else {
    stopListening?.();
    stopListening = null;
  }
}

function onChange(change) {
  if (change.type === "run") noteRun(change.run);
}

/** Ends may have been missed: each run is asked for. */
function onReset() {
  for (const id of wishes.value.keys()) getRun(id).then(noteRun, () => {});
}

/** Tells of the end of a run that is wished for. @param {Run} run as it is known now */
export function noteRun(run) {
  const name = wishes.value.get(run.id);
  if (isActive(run) || name === undefined) return;
  setWish(run.id, null);
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
