/** The state of a run's output in one line, from all that is known: it never says more. Pure. */
import { isActive } from "../model/run.js";
import { bytes } from "../words/format.js";
import { t } from "../words/words.js";

/** A live stream sends something every 5 s, if only `alive`; twice that is silence. */
export const FRESH_MS = 10_000;

/** @typedef {import("./lines/lines.js").LinesState} LinesState */

/**
 * @param {object} known
 * @param {import("../model/types.js").Run} known.run
 * @param {LinesState} known.state
 * @param {boolean} known.lost the server is known not to answer
 * @param {number} known.now by performance.now()
 * @returns {{kind: string, text: string}} kind: of the state, or "silent", "behind", "away"
 */
export function signOf({ run, state, lost, now }) {
  const { kind, heardAt, final } = state;
  const at = bytes(state.next);
  const silence = heardAt === null ? 0 : now - heardAt;
  const broken = kind === "reconnecting" || (kind === "live" && (lost || silence > FRESH_MS));
  if (broken && silence > FRESH_MS) return { kind: "silent", text: t("sign.silent", { seconds: whole(silence), at }) };
  if (broken) return { kind: "reconnecting", text: t("sign.reconnecting", { at }) };
  if (kind === "live") return liveSign(run, state, now);
  if (kind === "refused") return { kind, text: t(final ? "sign.refused" : "sign.refused-for-now", { at }) };
  return { kind, text: kind === "ended" ? endedText(state) : t(`sign.${known(kind)}`) };
}

const whole = (ms) => Math.floor(ms / 1000);
const known = (kind) => (kind === "deleted" || kind === "connecting" ? kind : "loading");

/** Live is only what shows all that had been written a second ago. */
function liveSign(run, { next, size, following, lateFrom, resumedAt }, now) {
  if (run.state === "queued") return { kind: "live", text: t("sign.queued") };
  if (isActive(run) && run.away_since) return { kind: "away", text: t("sign.away", { at: bytes(next) }) };
  if (!isActive(run) && next < size) return { kind: "loading", text: t("sign.loading") };
  if (lateFrom !== null && now >= lateFrom) {
    return { kind: "behind", text: t("sign.behind", { size: bytes(size - next) }) };
  }
  const text = t(following ? "sign.live" : "sign.not-following", { at: bytes(next) });
  const resumed = resumedAt === undefined ? "" : `, ${t("sign.resumed", { at: bytes(resumedAt) })}`;
  return { kind: "live", text: text + resumed };
}

const endedText = ({ size, lineCount }) =>
  bytes(size) + (lineCount ? `, ${t("n.lines", { count: lineCount })}` : "");
