/** The bar above every screen: where one can go, and who one is. */
import { toAccount, toCommands, toRuns, toSchedules, toWorkers } from "../base/router.js";
import { html, useLayoutEffect, useRef } from "../base/ui.js";
import { maySeeWorkers } from "../model/access.js";
import { LANGUAGES, speak, useLanguage } from "../words/language.js";
import { t } from "../words/words.js";
import { Icon } from "./icon.js";

/** The one of the page's own version, as in its HTML. */
const LOGO = new URL("../../logo.svg", import.meta.url).href;
const IN_RUNS = ["runs", "run", "compare"];
const IN_SCHEDULES = ["schedules", "schedule"];
const IN_ACCESS = ["account", "tokens", "grants", "audit"];
const current = (here) => (here ? "page" : undefined);

/**
 * @param {object} props
 * @param {string} props.screen
 * @param {import("../server/session.js").Session} props.session
 * @param {() => void} props.onHelp
 */
export function TopBar({ screen, session, onHelp }) {
  const inRuns = IN_RUNS.includes(screen);
  const inAccess = IN_ACCESS.includes(screen);
  const inSchedules = IN_SCHEDULES.includes(screen);
  const inWorkers = screen === "workers";
  const inCommands = !inRuns && !inSchedules && !inAccess && !inWorkers && screen !== "missing";
  const links = useRef(null);
  useLayoutEffect(() => {
    // A narrow screen scrolls them.
    links.current.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return html`<nav class="topbar" aria-label="Tailrun">
    <div class="topbar__inner">
      <a class="wordmark" href=${"#" + toCommands()}>
        <img src=${LOGO} alt="" width="24" height="24" /><span class="wordmark__name">Tailrun</span>
      </a>
      <div class="topbar__links" ref=${links}>
        ${session.kind !== "out" &&
        html`<a class="topbar__link" href=${"#" + toCommands()} aria-current=${current(inCommands)}>
        ${t("commands.title")}</a>
        <a class="topbar__link" href=${"#" + toRuns()} aria-current=${current(inRuns)}>${t("runs.title")}</a>
        <a class="topbar__link" href=${"#" + toSchedules()} aria-current=${current(inSchedules)}>
        ${t("schedules.title")}</a>
        ${maySeeWorkers(session.who) &&
        html`<a class="topbar__link" href=${"#" + toWorkers()} aria-current=${current(inWorkers)}>
        ${t("workers.title")}</a>`}`}
      </div>
      <a class="topbar__link wide-only" href="swagger/index.html">API</a>
      ${session.kind === "in" && session.who && html`<${Account} who=${session.who} isCurrent=${inAccess} />`}
      <${LanguageSwitch} />
      <button type="button" class="button button--quiet topbar__button" aria-label=${t("page.shortcuts")}
        title=${t("page.shortcuts")} onClick=${onHelp}>?</button>
    </div>
  </nav>`;
}

/** Leads to the next language: there are two, each named in itself. */
function LanguageSwitch() {
  const tags = Object.keys(LANGUAGES);
  const next = tags[(tags.indexOf(useLanguage()) + 1) % tags.length];
  const label = `${next.toUpperCase()}, ${LANGUAGES[next]}`;
  return html`<button type="button" class="button button--quiet topbar__button" lang=${next} aria-label=${label}
    title=${LANGUAGES[next]} onClick=${() => speak(next)}>${next.toUpperCase()}</button>`;
}

/** @param {{who: import("../model/types.js").Who, isCurrent: boolean}} props */
function Account({ who, isCurrent }) {
  return html`<a class="topbar__link topbar__account" href=${"#" + toAccount()} aria-current=${current(isCurrent)}
    aria-label=${t("page.account", { name: who.principal })} title=${who.principal}>
    <${Icon} name="person" /><bdi class="topbar__name wide-only">${who.principal}</bdi>
  </a>`;
}
