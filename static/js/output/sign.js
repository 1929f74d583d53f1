/** The state of a run's stream in one line, from all that is known. Pure. */
import { isActive } from "../model/run.js";
import { bytes } from "../words/format.js";
import { t } from "../words/words.js";

/** A live stream sends something every 5 s, if only `alive`; twice that is silence. */
export const FRESH_MS = 10_000;

/**
 * @param {object} known
 * @param {import("../model/types.js").Run} known.run
 * @param {import("./watch.js").WatchState} known.state
 * @param {boolean} known.lost the server is known not to answer
 * @param {number} known.now by performance.now()
 * @returns {{kind: string, text: string}} kind: of the stream, or "silent"
 */
export function signOf({ run, state, lost, now }) {
  const { kind, heardAt, resumedAt, final } = state.stream;
  const at = bytes(state.next);
  const silence = heardAt === null ? 0 : now - heardAt;
  const broken = kind === "reconnecting" || (kind === "live" && (lost || silence > FRESH_MS));
  if (broken && silence > FRESH_MS)
    return { kind: "silent", text: `Nothing received for ${seconds(silence)}, at ${at}` };
  if (broken) return { kind: "reconnecting", text: `Reconnecting… will resume at ${at}` };
  const text = {
    connecting: "Connecting…",
    live: liveText(run, state) + (resumedAt === undefined ? "" : `, resumed at ${bytes(resumedAt)}`),
    refused: final ? `Refused, at ${at}` : `Refused, at ${at}. Trying again…`,
    deleted: "Deleted",
    paused: `Stopped at ${at} of ${bytes(run.output_bytes)}`,
    loading: `${state.viewer.full ? "Stopped at" : "Loading,"} ${at} of ${bytes(run.output_bytes)}`,
    ended: bytes(run.output_bytes) + (run.output_lines ? `, ${t("n.lines", { count: run.output_lines })}` : ""),
  }[kind];
  return { kind, text };
}

const seconds = (ms) => `${Math.floor(ms / 1000)} s`;

function liveText(run, state) {
  if (!isActive(run)) return `Loading, ${bytes(state.next)} of ${bytes(run.output_bytes)}`;
  if (run.state === "queued") return "Waiting to start";
  return `${state.viewer.following ? "Live" : "Not following"}, ${bytes(state.next)}`;
}
