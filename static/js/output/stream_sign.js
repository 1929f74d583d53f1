/** The state of the stream, and what to do about it. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { useTick } from "../server/clock.js";
import { session } from "../server/session.js";
import { serverState } from "../server/state.js";
import { bytes } from "../words/format.js";
import { signOf } from "./sign.js";
import { currentTransport } from "./transports.js";

const TICK_MS = 1000;
const BLOCKED = {
  events: "A proxy blocks WebSockets: the output is streamed over HTTP instead.",
  ranges: "A proxy blocks WebSockets and event streams: the page polls for output instead.",
};

/** @typedef {import("../model/types.js").Run} Run @typedef {import("./watch.js").WatchState} WatchState */

/** @param {{run: Run, state: WatchState}} props */
export function StreamSign({ run, state }) {
  const lost = useStore(serverState).kind === "unreachable";
  useTick(state.stream.kind === "live" || state.stream.kind === "reconnecting" ? TICK_MS : null);
  const { kind, text } = signOf({ run, state, lost, now: performance.now() });
  const { resumedAt } = state.stream;
  const news = { reconnecting: "Reconnecting", silent: "Nothing received from the server" }[kind];
  return html`
    <span class=${`sign sign--${kind}`}>${text}</span>
    <span class="visually-hidden" role="status">
      ${news ?? (resumedAt === undefined ? "" : `Resumed at ${bytes(resumedAt)}`)}
    </span>
  `;
}

/** Why a run is not followed as it should be. @param {{run: Run}} props */
export function TransportNote({ run }) {
  const text = isActive(run) && BLOCKED[useStore(currentTransport)];
  return text && html`<p class="output__transport">${text}</p>`;
}

/**
 * Why the server does not send the output, and what can be done.
 * @param {{state: WatchState, retry: () => void}} props
 */
export function RefusedNote({ state, retry }) {
  const { kind, detail, final } = state.stream;
  const isOver = useStore(session).kind === "ended";
  if (kind === "deleted") return html`<p class="output__note" role="alert">This run was deleted.</p>`;
  if (kind !== "refused") return null;
  if (isOver) return html`<p class="output__note" role="alert">It goes on here once you are signed in again.</p>`;
  const what = final ? "The output cannot be read any further." : "The output is not shown at the moment.";
  return html`<p class="output__note" role="alert">
    <span><strong>${what}</strong> ${detail}</span>
    <${Button} small label="Try again" onClick=${retry} />
  </p>`;
}
