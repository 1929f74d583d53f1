/** A run's output, with what can be done with it. */
import { readPreference, storePreference } from "../base/preferences.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html, useState } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { outputUrl } from "../server/api.js";
import { t } from "../words/words.js";
import { copyOutput } from "./copying.js";
import { EncodingChoice, useEncoding } from "./encoding.js";
import { FindBar, FindMarks } from "./find/bar.js";
import { useFind } from "./find/find.js";
import { LineDialog } from "./line_dialog.js";
import { EndNote, NewLines, NothingNote } from "./notes.js";
import { RestDialog } from "./rest_dialog.js";
import { ChosenBar } from "./selecting/bar.js";
import { useSelecting } from "./selecting/selecting.js";
import { RefusedNote, StreamSign, TransportNote } from "./stream_sign.js";
import { TimesButton, useTimes } from "./times/times.js";
import { useOutput } from "./use_output.js";
import { WindowFrame } from "./window/frame.js";

/** @typedef {import("../model/types.js").Run} Run */

/**
 * @param {object} props
 * @param {Run} props.run
 * @param {(run: Partial<Run>) => void} props.onRun news of the run that come with its stream
 */
export function Output({ run, onRun }) {
  const [encoding, chooseEncoding] = useEncoding(run.command_id);
  const [wrap, toggleWrap] = useChoice("wrap", "on", "off");
  const [as, toggleAs] = useChoice("drawn-as", "terminal", "written");
  const output = useOutput(run, { encoding, as, wrap }, onRun);
  const times = useTimes(output.window, run, () => output.lines.current.lineCount, output.key);
  const chosen = useSelecting(output.window, output.host, output.key);
  const find = useFind(output, { run, encoding });
  const [asks, setAsks] = useState(null);
  const follow = () => output.window.current.follow(!output.seen.following);
  const copy = () => copyOutput(run, { encoding, as });
  useOutputShortcuts(output, { follow, toggleWrap, copy, ask: () => setAsks({ kind: "line" }) });
  const onRows = (event) => {
    const row = event.target.closest(".out-row__rest") && output.rowOf(event.target);
    if (row) setAsks({ kind: "rest", row });
  };
  const close = () => setAsks(null);
  return html`<section class="output" aria-label=${t("output.title")}>
    <div class="output__bar">
      <${StreamSign} run=${run} state=${output.state} />
      ${isActive(run) && html`<${FollowButton} following=${output.seen.following} onToggle=${follow} />`}
      <${EncodingChoice} encoding=${encoding} onChoose=${chooseEncoding} />
      <${TimesButton} mode=${times.mode} onNext=${times.next} />
      <${Button} small compact kind="quiet" icon="terminal" label=${t("output.as-terminal")}
        aria-pressed=${as === "terminal"} onClick=${toggleAs} />
      <${Button} small compact kind="quiet" icon="wrap" label=${t("output.wrap")}
        aria-pressed=${wrap === "on"} onClick=${toggleWrap} />
      <${Button} small compact kind="quiet" icon="copy" label=${t("output.copy")} onClick=${copy} />
      <${Button} small compact kind="quiet" icon="download" label=${t("output.download")}
        href=${outputUrl(run.id)} download=${`run-${run.id}.txt`} />
    </div>
    ${chosen.lines && html`<${ChosenBar} runId=${run.id} encoding=${encoding} lines=${chosen.lines}
      onNone=${() => chosen.choose(null)} />`}
    ${find.open && html`<${FindBar} find=${find} />`}
    <${TransportNote} run=${run} />
    <${RefusedNote} state=${output.state} retry=${() => output.lines.current.retry()} />
    <div class="output__found">
      <div ref=${output.scroller} class=${`output__scroller ${wrap === "on" ? "output__scroller--wrap" : ""}`}
        tabindex="0" role="log" aria-live="off" aria-label=${t("output.log")} onClick=${onRows}>
        <${WindowFrame} host=${output.host}>
          <${NothingNote} run=${run} state=${output.state} empty=${output.seen.empty} />
          <${EndNote} run=${run} state=${output.state} />
        <//>
      </div>
      ${find.open && html`<${FindMarks} find=${find} lineCount=${output.state.lineCount} />`}
    </div>
    <${NewLines} count=${output.missed} onFollow=${() => output.window.current.follow(true)} />
    ${asks?.kind === "line" && html`<${LineDialog} onClose=${close}
      onLine=${(line) => output.window.current.goTo(line)} onLines=${chosen.choose} />`}
    ${asks?.kind === "rest" && html`<${RestDialog} run=${run} row=${asks.row} encoding=${encoding} onClose=${close} />`}
  </section>`;
}

/** One of two, kept in this browser. @returns {[string, () => void]} the one chosen, and what chooses the other */
function useChoice(name, usual, other) {
  const [chosen, setChosen] = useState(readPreference(name) === other ? other : usual);
  const toggle = () => {
    const next = chosen === usual ? other : usual;
    storePreference(name, next);
    setChosen(next);
  };
  return [chosen, toggle];
}

function useOutputShortcuts({ window: shown }, { follow, toggleWrap, copy, ask }) {
  useShortcuts([
    { key: "f", description: t("output.key.follow"), run: follow },
    { key: "w", description: t("output.key.wrap"), run: toggleWrap },
    { key: "y", description: t("output.key.copy"), run: copy },
    { key: "g", description: t("output.key.line"), run: ask },
    { key: "PageUp", description: t("output.key.page-up"), run: () => shown.current.page(-1) },
    { key: "PageDown", description: t("output.key.page-down"), run: () => shown.current.page(1) },
    { key: "Home", description: t("output.key.start"), run: () => shown.current.toEnd("start") },
    { key: "End", description: t("output.key.end"), run: () => shown.current.toEnd("end") },
  ]);
}

/** "Not following" stands out, so that nobody waits at a position of an hour ago. */
const FollowButton = ({ following, onToggle }) => html`<${Button} small compact kind=${following ? "quiet" : undefined}
  icon="follow" label=${t("output.follow")} aria-pressed=${following} onClick=${onToggle} />`;
