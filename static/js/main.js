/** The page: its frame, and the screen that the address names. */
import { followSignIns } from "./access/arriving.js";
import { SessionBanner } from "./access/banner.js";
import { SignInScreen } from "./access/sign_in_screen.js";
import { waitWith } from "./base/loading.js";
import { go, toCommands, toNew, toRuns, useRoute } from "./base/router.js";
import { parseRoute } from "./base/routes.js";
import { EVERYWHERE, useShortcuts } from "./base/shortcuts.js";
import { useStore } from "./base/store.js";
import { html, render, useLayoutEffect, useState } from "./base/ui.js";
import { mayCreate } from "./model/access.js";
import { StartDialog } from "./parameters/start_dialog.js";
import { Banner, IncompleteBanner } from "./parts/banner.js";
import { Waiting } from "./parts/empty.js";
import { Help } from "./parts/help.js";
import { closeNotice, Notice } from "./parts/notice.js";
import { TopBar } from "./parts/top_bar.js";
import { prepare, useScreen } from "./screens.js";
import { noAnswer } from "./server/answers.js";
import { checkServer, serverBack } from "./server/api.js";
import { session } from "./server/session.js";
import { serverState } from "./server/state.js";
import { useLanguage } from "./words/language.js";
import { t } from "./words/words.js";

function Page() {
  const { screen } = useRoute();
  const { kind, who } = useStore(session);
  const language = useLanguage();
  useLayoutEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const [helping, setHelping] = useState(false);
  const shortcuts = [
    { key: "?", description: t("key.help"), run: () => setHelping(true) },
    { key: "c", description: t("key.commands"), run: () => go(toCommands()) },
    { key: "r", description: t("key.runs"), run: () => go(toRuns()) },
    { key: "Escape", description: t("key.escape"), run: closeNotice },
  ];
  if (mayCreate(who)) shortcuts.push({ key: "n", description: t("commands.new"), run: () => go(toNew()) });
  useShortcuts(shortcuts, { rank: EVERYWHERE });
  return html`
    <a class="skip" href="#content" onClick=${skip}>${t("page.skip")}</a>
    <${TopBar} screen=${screen} session=${{ kind, who }} onHelp=${() => setHelping(true)} />
    <${Banner} />
    <${SessionBanner} />
    <${IncompleteBanner} />
    <main id="content" tabindex="-1"><${Screen} kind=${kind} /></main>
    <${Notice} />
    <${StartDialog} />
    ${helping && html`<${Help} onClose=${() => setHelping(false)} />`}
  `;
}

/** The screen of the address, for whoever is known; it stays while a session that has ended is waited for. */
function Screen({ kind }) {
  const { screen, id, other, query } = useRoute();
  const component = useScreen(screen);
  if (kind === "asking") return html`<${Waiting} />`;
  if (kind === "out") return html`<${SignInScreen} />`;
  if (!component) return html`<${Loading} />`;
  return html`<${component} key=${[screen, id, other].join("/")} id=${id} other=${other} query=${query} />`;
}

/** A screen whose module is still to come. */
const Loading = () => html`<${Waiting} problem=${useStore(serverState).kind === "unreachable" ? noAnswer() : null} />`;

/** The hash is the page's address, so the skip link moves the focus by itself. */
function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

addEventListener("offline", checkServer);
waitWith(serverBack);

prepare(parseRoute(location.hash).screen);
const place = document.getElementById("page");
place.replaceChildren();
render(html`<${Page} />`, place);
followSignIns();
