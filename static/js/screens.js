/** The screens, each made when it is first shown, or when nothing else is to be done. */
import { loading } from "./base/loading.js";
import { useEffect, useReducer } from "./base/ui.js";
import { MissingScreen } from "./parts/missing.js";

const MODULES = {
  commands: () => import("./commands/commands_screen.js").then(({ CommandsScreen }) => CommandsScreen),
  new: () => import("./commands/form_screen.js").then(({ NewScreen }) => NewScreen),
  edit: () => import("./commands/form_screen.js").then(({ EditScreen }) => EditScreen),
  command: () => import("./commands/command_screen.js").then(({ CommandScreen }) => CommandScreen),
  runs: () => import("./runs/runs_screen.js").then(({ RunsScreen }) => RunsScreen),
  run: () => import("./runs/run_screen.js").then(({ RunScreen }) => RunScreen),
  compare: () => import("./compare/compare_screen.js").then(({ CompareScreen }) => CompareScreen),
  schedules: () => import("./schedules/schedules_screen.js").then(({ SchedulesScreen }) => SchedulesScreen),
  schedule: () => import("./schedules/schedule_screen.js").then(({ ScheduleScreen }) => ScheduleScreen),
  account: () => import("./access/account_screen.js").then(({ AccountScreen }) => AccountScreen),
  tokens: () => import("./access/tokens_screen.js").then(({ TokensScreen }) => TokensScreen),
  grants: () => import("./access/grants_screen.js").then(({ GrantsScreen }) => GrantsScreen),
  targets: () => import("./access/targets_screen.js").then(({ TargetsScreen }) => TargetsScreen),
  workers: () => import("./workers/workers_screen.js").then(({ WorkersScreen }) => WorkersScreen),
  audit: () => import("./access/audit_screen.js").then(({ AuditScreen }) => AuditScreen),
};

/** What the first screen asks for comes first. */
const REST_AFTER_MS = 300;

/** @type {Map<string, Function>} the components that are there, by name */
const screens = new Map([["missing", MissingScreen]]);

async function load(name) {
  if (!screens.has(name)) screens.set(name, await loading(MODULES[name]));
}

/** Makes a screen that will be shown, while it is not known to whom. @param {string} name */
export function prepare(name) {
  if (name in MODULES) load(name).catch(() => {}); // whoever shows it hears of that
}

/** So that a screen is there at once, and whatever becomes of the server; one at a time, as output may come meanwhile. */
async function loadRest() {
  for (const name of Object.keys(MODULES)) {
    await new Promise((turn) => idle(turn));
    await load(name);
  }
}

const idle = globalThis.requestIdleCallback ?? setTimeout;

let isFirst = true;

function loadRestLater() {
  if (!isFirst) return;
  isFirst = false;
  setTimeout(() => loadRest().catch(() => {}), REST_AFTER_MS);
}

/** @param {string} name @returns {Function|undefined} its component; undefined: it is being loaded */
export function useScreen(name) {
  const [, again] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const shown = load(name).then(again);
    shown.then(loadRestLater, () => {});
  }, [name]);
  return screens.get(name);
}
