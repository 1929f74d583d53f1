/** A run's output, with what can be done with it. */
import { readPreference, storePreference } from "../base/preferences.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useEffect, useRef, useState } from "../base/ui.js";
import { elapsed, isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { copyAndTell } from "../parts/copying.js";
import { State } from "../parts/state.js";
import { outputUrl } from "../server/api.js";
import { duration, whole } from "../words/format.js";
import { outcome, reasonOf } from "../words/run.js";
import { EncodingChoice, useEncoding } from "./encoding.js";
import { WATCH_START } from "./start.js";
import { RefusedNote, StreamSign, TransportNote } from "./stream_sign.js";
import { RunWatch } from "./watch.js";

/** @typedef {import("../model/types.js").Run} Run */

/**
 * @param {object} props
 * @param {Run} props.run
 * @param {(run: Partial<Run>) => void} props.onRun news of the run that come with its stream
 */
export function Output({ run, onRun }) {
  const [encoding, chooseEncoding] = useEncoding(run.command_id);
  const { watch, state, scroller, host } = useWatch(run, encoding, onRun);
  const [wrap, setWrap] = useState(readPreference("wrap") !== "off");
  const toggleWrap = () => {
    storePreference("wrap", wrap ? "off" : "on");
    setWrap(!wrap);
  };
  const toggleFollow = () => (state.viewer.following ? watch.current.stopFollowing() : watch.current.follow());
  const copied = state.viewer.cut ? "Copied what is shown." : "Copied the output.";
  const copy = async () => copyAndTell(await watch.current.text(), copied);
  useShortcuts([
    { key: "f", description: "Follow the output, or stop following", run: toggleFollow },
    { key: "w", description: "Wrap long lines, or stop wrapping", run: toggleWrap },
    { key: "y", description: "Copy the output", run: copy },
    { key: "PageUp", description: "Page up", run: () => watch.current.goTo("back") },
    { key: "PageDown", description: "Page down", run: () => watch.current.goTo("on") },
    { key: "Home", description: "Go to the first line shown", run: () => watch.current.goTo("start") },
    { key: "End", description: "Go to the last line", run: () => watch.current.goTo("end") },
  ]);
  return html`<section class="output" aria-label="Output">
    <div class="output__bar">
      <${StreamSign} run=${run} state=${state} />
      ${isActive(run) && html`<${FollowButton} following=${state.viewer.following} onToggle=${toggleFollow} />`}
      <${EncodingChoice} encoding=${encoding} onChoose=${chooseEncoding} />
      <${Button} small compact kind="quiet" icon="wrap" label="Wrap" aria-pressed=${wrap} onClick=${toggleWrap} />
      <${Button} small compact kind="quiet" icon="copy" label="Copy" onClick=${copy} />
      <${Button} small compact kind="quiet" icon="download" label="Download"
        href=${outputUrl(run.id)} download=${`run-${run.id}.txt`} />
    </div>
    <${TransportNote} run=${run} />
    <div ref=${scroller} class=${`output__scroller ${wrap ? "output__scroller--wrap" : ""}`}
      tabindex="0" role="log" aria-live="off" aria-label="The run's output">
      <div class="output__content">
        <${CutNote} run=${run} state=${state} watch=${watch} />
        <${NothingNote} run=${run} state=${state} />
        <div ref=${host} class="output__rows"></div>
        <${RefusedNote} state=${state} retry=${() => watch.current.retry()} />
        <${FullNote} run=${run} state=${state} watch=${watch} />
        <${EndNote} run=${run} state=${state} />
      </div>
    </div>
  </section>`;
}

/** Watches the run for as long as the component is shown. */
function useWatch(run, encoding, onRun) {
  const [scroller, host, watch] = [useRef(null), useRef(null), useRef(null)];
  const [state, setState] = useState(WATCH_START);
  useEffect(() => {
    watch.current = new RunWatch(run, scroller.current, host.current, encoding, { onState: setState, onRun });
    return () => watch.current.dispose();
  }, [run.id, encoding]);
  useEffect(() => watch.current.compare(run), [run]);
  return { watch, state, scroller, host };
}

/** "Not following" stands out, so that nobody waits at a position of an hour ago. */
const FollowButton = ({ following, onToggle }) => html`<${Button} small compact kind=${following ? "quiet" : undefined}
  icon="follow" label="Follow" aria-pressed=${following} onClick=${onToggle} />`;

function CutNote({ run, state, watch }) {
  if (!state.viewer.cut) return null;
  const { firstLine } = state.viewer;
  const what = firstLine > 1 ? `Lines 1 to ${whole(firstLine - 1)} are` : "The beginning is";
  return html`<p class="output__note">
    <span>${what} not shown here.</span>
    <${Button} small label="Load from the start" onClick=${() => watch.current.fromStart()} />
    <${RawLink} run=${run} />
  </p>`;
}

function FullNote({ run, state, watch }) {
  if (!state.viewer.full) return null;
  return html`<p class="output__note">
    <span>There is more output.</span>
    <${Button} small label="Show more" onClick=${() => watch.current.more()} />
    <${Button} small label="Go to the end" onClick=${() => watch.current.follow()} />
    <${RawLink} run=${run} />
  </p>`;
}

const RawLink = ({ run }) => html`<a href=${outputUrl(run.id)} target="_blank" rel="noopener">Raw output</a>`;

/** How the run ended, where its output does. */
function EndNote({ run, state }) {
  if (isActive(run) || state.stream.kind !== "ended" || !state.viewer.allShown) return null;
  const how = [outcome(run), run.end_time && `after ${duration(elapsed(run, 0))}`].filter(Boolean).join(", ");
  const text = [how, reasonOf(run)].filter(Boolean).join(". ");
  return html`<p class="output__end"><${State} run=${run} />${" " + text}</p>`;
}

function NothingNote({ run, state }) {
  const known = state.stream.kind === "live" || state.stream.kind === "ended";
  const text = known && state.viewer.empty && state.next === 0 && emptyText(run);
  return text && html`<p class="output__nothing">${text}</p>`;
}

function emptyText(run) {
  if (run.state === "queued") return "The run is queued. Its output will appear here as soon as it starts.";
  if (run.paused) return "No output yet; the run is paused.";
  if (isActive(run)) return "No output yet. It will appear here as soon as it is written.";
  return run.output_bytes === 0 && "This run wrote no output.";
}
