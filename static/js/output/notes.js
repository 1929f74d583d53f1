/** What is said of an output where it ends, and of what is written while somebody looks elsewhere. */
import { html } from "../base/ui.js";
import { elapsed, isActive } from "../model/run.js";
import { Icon } from "../parts/icon.js";
import { State } from "../parts/state.js";
import { duration } from "../words/format.js";
import { outcome, reasonOf } from "../words/run.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/types.js").Run} Run @typedef {import("./lines/lines.js").LinesState} LinesState */

/** How the run ended, where its output does. @param {{run: Run, state: LinesState}} props */
export function EndNote({ run, state }) {
  if (isActive(run) || state.kind !== "ended") return null;
  const after = run.end_time && t("output.after", { duration: duration(elapsed(run, 0)) });
  const how = [outcome(run), after].filter(Boolean).join(", ");
  const text = [how, reasonOf(run)].filter(Boolean).join(". ");
  return html`<p class="output__end"><${State} run=${run} />${" " + text}</p>`;
}

/** Why there is nothing to be seen. @param {{run: Run, state: LinesState, empty: boolean}} props */
export function NothingNote({ run, state, empty }) {
  const known = state.kind === "live" || state.kind === "ended";
  const text = known && empty && emptyText(run);
  return text && html`<p class="output__nothing">${text}</p>`;
}

function emptyText(run) {
  if (run.state === "queued") return t("output.queued");
  if (run.paused) return t("output.paused");
  if (isActive(run)) return t("output.none-yet");
  return run.output_bytes === 0 && t("output.none");
}

/**
 * Lines that were written below what is seen.
 * @param {{count: number, onFollow: () => void}} props
 */
export function NewLines({ count, onFollow }) {
  if (count === 0) return null;
  return html`<button type="button" class="output__news" onClick=${onFollow}>
    <${Icon} name="follow" />${t("output.new-lines", { count })}
  </button>`;
}
