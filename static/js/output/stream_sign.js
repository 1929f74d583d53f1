/** Whether the stream is there, and why not, and where it was taken up again. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { useTick } from "../server/clock.js";
import { serverState } from "../server/state.js";
import { bytes } from "../words/format.js";
import { signOf } from "./sign.js";
import { passing } from "./transports.js";

const TICK_MS = 1000;
const WAY_WORDS = {
  events: "A proxy blocks WebSockets: the output is streamed over HTTP instead.",
  ranges: "A proxy blocks WebSockets and event streams: the page polls for output instead.",
};

/** @typedef {import("../model/types.js").Run} Run @typedef {import("./watch.js").WatchState} WatchState */

/** @param {{run: Run, state: WatchState}} props */
export function StreamSign({ run, state }) {
  const lost = useStore(serverState).kind === "lost";
  useTick(state.stream.kind === "live" || state.stream.kind === "reconnecting" ? TICK_MS : null);
  const { kind, words } = signOf({ run, state, lost, now: performance.now() });
  const { resumedAt } = state.stream;
  const news = { reconnecting: "Reconnecting", silent: "Nothing received from the server" }[kind];
  return html`
    <span class=${`sign sign--${kind}`}>${words}</span>
    <span class="visually-hidden" role="status">
      ${news ?? (resumedAt === undefined ? "" : `Resumed at ${bytes(resumedAt)}`)}
    </span>
  `;
}

/** Why a run is not followed as it should be. @param {{run: Run}} props */
export function WayNote({ run }) {
  const words = isActive(run) && WAY_WORDS[useStore(passing)];
  return words && html`<p class="output__way">${words}</p>`;
}

/**
 * Why the server does not send the output, and what can be done.
 * @param {{state: WatchState, retry: () => void}} props
 */
export function RefusedNote({ state, retry }) {
  const { kind, detail, final } = state.stream;
  if (kind === "gone") return html`<p class="output__note" role="alert">This run was deleted.</p>`;
  if (kind !== "refused") return null;
  return html`<p class="output__note" role="alert">
    <span><strong>${final ? "The output cannot be read any further." : "The output is not shown at the moment."}</strong> ${detail}</span>
    <${Button} small words="Try again" onClick=${retry} />
  </p>`;
}
