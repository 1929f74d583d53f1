/** A run's output, with what can be done with it. */
import { outputUrl } from "../api.js";
import { copyText } from "../clipboard.js";
import { bytes, counted, duration, whole } from "../format.js";
import { keep, kept } from "../kept.js";
import { elapsed, isActive, outcome } from "../runs.js";
import { useShortcuts } from "../shortcuts.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { RunWatch, WATCH_START } from "../viewer/watch.js";
import { Icon } from "./icon.js";
import { say, sayProblem } from "./notice.js";
import { State } from "./state.js";

/** @typedef {import("../types.js").Run} Run */

/**
 * @param {object} props
 * @param {Run} props.run
 * @param {(run: Partial<Run>) => void} props.onRun news of the run that come with its stream
 */
export function Output({ run, onRun }) {
  const scroller = useRef(null);
  const host = useRef(null);
  const watch = useRef(null);
  const [state, setState] = useState(WATCH_START);
  const [wrap, setWrap] = useState(kept("wrap") !== "off");
  useEffect(() => {
    watch.current = new RunWatch(run, scroller.current, host.current, { onState: setState, onRun });
    return () => watch.current.dispose();
  }, [run.id]);
  useEffect(() => watch.current.compare(run), [run]);
  const toggleWrap = () => {
    keep("wrap", wrap ? "off" : "on");
    setWrap(!wrap);
  };
  const toggleFollow = () => (state.viewer.following ? watch.current.pause() : watch.current.follow());
  const copy = () => copyText(watch.current.text()).then(() => say(state.viewer.cut ? "Copied what is shown." : "Copied the output."), sayProblem);
  useShortcuts([
    { key: "f", does: "Follow the output, or pause", run: toggleFollow },
    { key: "w", does: "Wrap long lines, or not", run: toggleWrap },
    { key: "y", does: "Copy the output", run: copy },
    { key: "Home", does: "First line shown", run: () => watch.current.goTo("start") },
    { key: "End", does: "Last line", run: () => watch.current.goTo("end") },
  ]);
  return html`<section class="output" aria-label="Output">
    <div class="output__bar">
      <${StreamSign} run=${run} state=${state} />
      <span class="output__space"></span>
      ${isActive(run) && html`<${FollowButton} following=${state.viewer.following} onToggle=${toggleFollow} />`}
      <${Tool} icon="wrap" words="Wrap" pressed=${wrap} onClick=${toggleWrap} />
      <${Tool} icon="copy" words="Copy" onClick=${copy} />
      <a class="button button--small button--quiet" href=${outputUrl(run.id)} download=${`run-${run.id}.txt`} title="Download the raw output"><${Icon} name="download" /><span class="wide-only">Download</span></a>
    </div>
    <div ref=${scroller} class=${wrap ? "output__scroller output__scroller--wrap" : "output__scroller"} tabindex="0" role="log" aria-live="off" aria-label="The run's output">
      <div class="output__content">
        <${CutNote} run=${run} state=${state} onStart=${() => watch.current.fromStart()} />
        <${NothingNote} run=${run} state=${state} />
        <div ref=${host} class="output__rows"></div>
        <${FullNote} run=${run} state=${state} onMore=${() => watch.current.more()} onEnd=${() => watch.current.follow()} />
        <${EndNote} run=${run} state=${state} />
      </div>
    </div>
  </section>`;
}

function Tool({ icon, words, pressed, onClick }) {
  return html`<button type="button" class="button button--small button--quiet" title=${words} aria-pressed=${pressed} onClick=${onClick}>
    <${Icon} name=${icon} /><span class="wide-only">${words}</span>
  </button>`;
}

function FollowButton({ following, onToggle }) {
  return html`<button type="button" class=${following ? "button button--small button--quiet" : "button button--small"} onClick=${onToggle}>
    <${Icon} name=${following ? "pause" : "follow"} />${following ? "Pause" : "Follow"}
  </button>`;
}

/** Whether the stream is there, and where it was taken up again. */
function StreamSign({ run, state }) {
  const kind = state.stream.kind;
  const at = state.stream.resumedAt;
  const words = {
    connecting: "Connecting…",
    reconnecting: `Reconnecting… will resume at ${bytes(state.next)}`,
    live: liveWords(run, state) + (at === undefined ? "" : `, resumed at ${bytes(at)}`),
    held: `The viewer is full, at ${bytes(state.next)} of ${bytes(run.output_bytes)}`,
    ended: bytes(run.output_bytes) + (run.output_lines ? `, ${counted(run.output_lines, "line")}` : ""),
  }[kind];
  return html`<span class=${`sign sign--${kind}`} role="status">${words}</span>`;
}

function liveWords(run, state) {
  if (!isActive(run)) return `Loading, ${bytes(state.next)} of ${bytes(run.output_bytes)}`;
  return state.viewer.following ? `Live, ${bytes(state.next)}` : `Paused, ${bytes(state.next)}`;
}

function CutNote({ run, state, onStart }) {
  if (!state.viewer.cut) return null;
  const { firstLine } = state.viewer;
  return html`<p class="output__note">
    <span>${firstLine > 1 ? `Lines 1 to ${whole(firstLine - 1)} are not shown here.` : "The beginning is not shown here."}</span>
    <button type="button" class="button button--small" onClick=${onStart}>Load from the start</button>
    <a href=${outputUrl(run.id)} target="_blank" rel="noopener">Raw output</a>
  </p>`;
}

function FullNote({ run, state, onMore, onEnd }) {
  if (!state.viewer.full) return null;
  return html`<p class="output__note">
    <span>There is more.</span>
    <button type="button" class="button button--small" onClick=${onMore}>Show more</button>
    <button type="button" class="button button--small" onClick=${onEnd}>Go to the end</button>
    <a href=${outputUrl(run.id)} target="_blank" rel="noopener">Raw output</a>
  </p>`;
}

/** How the run ended, where its output does. */
function EndNote({ run, state }) {
  if (isActive(run) || state.stream.kind !== "ended" || !state.viewer.drained) return null;
  const words = [outcome(run), run.end_time && `after ${duration(elapsed(run, 0))}`].filter(Boolean).join(", ");
  return html`<p class="output__end"><${State} run=${run} />${words}</p>`;
}

function NothingNote({ run, state }) {
  if (!state.viewer.empty || state.next > 0) return null;
  if (run.state === "queued") return html`<p class="output__nothing">Waiting for its turn. The output appears here as soon as it starts.</p>`;
  if (isActive(run)) return html`<p class="output__nothing">Nothing written yet. It appears here the moment it is.</p>`;
  return run.output_bytes === 0 && html`<p class="output__nothing">This run wrote nothing.</p>`;
}
