/** The state of the output, and what to do about it. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { useTick } from "../server/clock.js";
import { session } from "../server/session.js";
import { serverState } from "../server/state.js";
import { bytes } from "../words/format.js";
import { t } from "../words/words.js";
import { signOf } from "./sign.js";
import { currentTransport } from "./transports.js";

const TICK_MS = 500;

/** @typedef {import("../model/types.js").Run} Run @typedef {import("./lines/lines.js").LinesState} LinesState */

/** @param {{run: Run, state: LinesState}} props */
export function StreamSign({ run, state }) {
  const lost = useStore(serverState).kind === "unreachable";
  useTick(state.kind === "live" || state.kind === "reconnecting" ? TICK_MS : null);
  const { kind, text } = signOf({ run, state, lost, now: performance.now() });
  const { resumedAt } = state;
  return html`
    <span class=${`sign sign--${kind}`}>${text}</span>
    <span class="visually-hidden" role="status">${newsOf(kind, resumedAt)}</span>
  `;
}

/** What is said aloud: not each byte, but that nothing comes, or comes again. */
function newsOf(kind, resumedAt) {
  if (kind === "reconnecting") return t("sign.told.reconnecting");
  if (kind === "silent") return t("sign.told.silent");
  return resumedAt === undefined ? "" : t("sign.told.resumed", { at: bytes(resumedAt) });
}

/** Why a run is not followed as it should be. @param {{run: Run}} props */
export function TransportNote({ run }) {
  const transport = useStore(currentTransport);
  if (!isActive(run) || transport === "socket") return null;
  const text = transport === "events" ? t("sign.no-sockets") : t("sign.no-streams");
  return html`<p class="output__transport">${text}</p>`;
}

/**
 * Why the server does not send the output, and what can be done.
 * @param {{state: LinesState, retry: () => void}} props
 */
export function RefusedNote({ state, retry }) {
  const { kind, detail, final } = state;
  const isOver = useStore(session).kind === "ended";
  if (kind === "deleted") return html`<p class="output__note" role="alert">${t("sign.told.deleted")}</p>`;
  if (kind !== "refused") return null;
  if (isOver) return html`<p class="output__note" role="alert">${t("sign.told.signed-out")}</p>`;
  const what = final ? t("sign.told.no-further") : t("sign.told.not-now");
  return html`<p class="output__note" role="alert">
    <span><strong>${what}</strong> ${detail}</span>
    <${Button} small label=${t("sign.retry")} onClick=${retry} />
  </p>`;
}
