/**
 * The last runs of a command as bars that lead to them: what is slow, and what fails, is seen at a glance.
 *
 * One stop of the Tab key; arrows go from bar to bar.
 */
import { toRun } from "../base/router.js";
import { html, useRef, useState } from "../base/ui.js";
import { isActive, STATES } from "../model/run.js";
import { MOST_BARS, stripOf } from "../model/strip.js";
import { serverNow, useTick } from "../server/clock.js";
import { duration } from "../words/format.js";
import { barInWords, stateLabel } from "../words/run.js";
import { t } from "../words/words.js";

const TICK_MS = 1000;

/** Which bar a key leads to. @type {Record<string, (at: number, last: number) => number>} */
const MOVES = {
  ArrowLeft: (at) => Math.max(0, at - 1),
  ArrowRight: (at, last) => Math.min(last, at + 1),
  Home: () => 0,
  End: (_, last) => last,
};

/** @param {{runs?: import("../model/types.js").Run[]}} props newest first; none: they are still to come */
export function Strip({ runs = [] }) {
  useTick(runs.some(isActive) ? TICK_MS : null);
  const [told, setTold] = useState(null);
  const strip = stripOf(runs, serverNow());
  const words = strip.bars.find(({ run }) => run.id === told);
  return html`<div class="strip">
    <${Bars} strip=${strip} onTell=${setTold} />
    <div class=${words ? "strip__under strip__under--told" : "strip__under"}>
      <${Legend} strip=${strip} />
      ${words && html`<p class="strip__told" aria-hidden="true">${barInWords(words)}</p>`}
    </div>
  </div>`;
}

function Bars({ strip: { bars, usual, top }, onTell }) {
  const place = useRef(null);
  const [stop, setStop] = useState(null);
  const last = bars.length - 1;
  const found = bars.findIndex(({ run }) => run.id === stop);
  const at = found < 0 ? last : found;
  const onKeyDown = (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    place.current.querySelectorAll(".bar")[move(at, last)].focus();
  };
  // The marks are below what the heights are of.
  const line = usual !== null && {
    bottom: `calc(0.75rem + ${usual / top} * 4.25rem)`,
    width: `${(100 * bars.length) / MOST_BARS}%`,
  };
  const onFocus = (id) => {
    setStop(id);
    onTell(id);
  };
  return html`<div class="strip__bars" role="group" aria-label=${t("strip.title", { count: bars.length })}
    title=${t("strip.scale")} ref=${place} onKeyDown=${onKeyDown} onMouseLeave=${() => onTell(null)}>
    ${line && html`<span class="strip__usual" style=${line} aria-hidden="true"></span>`}
    ${bars.map(
      (bar, i) => html`<${RunBar} key=${bar.run.id} bar=${bar} isStop=${i === at}
        onFocus=${() => onFocus(bar.run.id)} onTell=${onTell} />`,
    )}
  </div>`;
}

function RunBar({ bar, isStop, onFocus, onTell }) {
  const { run, height, isSlow, isCut } = bar;
  const classes = ["bar", `state--${run.state}`, isSlow && "bar--slow", isCut && "bar--cut"].filter(Boolean).join(" ");
  const words = barInWords(bar);
  return html`<a class=${classes} href=${"#" + toRun(run.id)} aria-label=${words} title=${words}
    tabindex=${isStop ? 0 : -1} onFocus=${onFocus} onBlur=${() => onTell(null)} onMouseEnter=${() => onTell(run.id)}>
    <span class="bar__place"><span class="bar__fill" style=${{ height: `${100 * height}%` }}></span></span>
    <span class="mark"></span>
  </a>`;
}

function Legend({ strip: { bars, usual, top } }) {
  const count = (is) => bars.filter(is).length;
  const slow = count(({ isSlow }) => isSlow);
  return html`<p class="strip__legend">
    ${usual !== null && html`<span title=${t("strip.usual.about")}>
      <span class="strip__dash"></span>${t("strip.usual", { duration: duration(usual) })}
    </span>`}
    ${slow > 0 && html`<span><span class="strip__cap"></span>${t("strip.slow")} <b>${slow}</b></span>`}
    ${STATES.filter((state) => count(({ run }) => run.state === state)).map(
      (state) => html`<span class=${`state--${state}`} key=${state}>
        <span class="mark"></span>${stateLabel(state)} <b>${count(({ run }) => run.state === state)}</b>
      </span>`,
    )}
    ${count(({ isCut }) => isCut) > 0 &&
    html`<span><span class="strip__break"></span>${t("strip.cut", { duration: duration(top) })}</span>`}
  </p>`;
}
