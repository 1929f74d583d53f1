/** The page: its frame, and the screen that the address names. */
import { go, toCommands, toNew, toRuns, useRoute } from "./base/router.js";
import { useShortcuts } from "./base/shortcuts.js";
import { html, render, useState } from "./base/ui.js";
import { CommandScreen } from "./commands/command_screen.js";
import { CommandsScreen } from "./commands/commands_screen.js";
import { EditScreen, NewScreen } from "./commands/form_screen.js";
import { Banner } from "./parts/banner.js";
import { Help } from "./parts/help.js";
import { MissingScreen } from "./parts/missing.js";
import { closeNotice, Notice } from "./parts/notice.js";
import { RunScreen } from "./runs/run_screen.js";
import { RunsScreen } from "./runs/runs_screen.js";
import { checkServer } from "./server/api.js";

const SCREENS = {
  commands: CommandsScreen,
  new: NewScreen,
  edit: EditScreen,
  command: CommandScreen,
  runs: RunsScreen,
  run: RunScreen,
  missing: MissingScreen,
};

function Page() {
  const { screen, id, query } = useRoute();
  const [helping, setHelping] = useState(false);
  const shortcuts = [
    { key: "?", description: "Show keyboard shortcuts", run: () => setHelping(true) },
    { key: "c", description: "Go to the commands", run: () => go(toCommands()) },
    { key: "r", description: "Go to the runs", run: () => go(toRuns()) },
    { key: "n", description: "New command", run: () => go(toNew()) },
    { key: "Escape", description: "Close a message, or go back", run: closeNotice },
  ];
  useShortcuts(shortcuts, { everywhere: true });
  return html`
    <a class="skip" href="#content" onClick=${skip}>Skip to the content</a>
    <${TopBar} screen=${screen} onHelp=${() => setHelping(true)} />
    <${Banner} />
    <main id="content" tabindex="-1"><${SCREENS[screen]} key=${screen + (id ?? "")} id=${id} query=${query} /></main>
    <${Notice} />
    ${helping && html`<${Help} onClose=${() => setHelping(false)} />`}
  `;
}

/** The hash is the page's address, so the skip link moves the focus by itself. */
function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function TopBar({ screen, onHelp }) {
  const inRuns = screen === "runs" || screen === "run";
  const inCommands = !inRuns && screen !== "missing";
  const current = (here) => (here ? "page" : undefined);
  return html`<nav class="topbar" aria-label="Tailrun">
    <div class="topbar__inner">
      <a class="wordmark" href=${"#" + toCommands()}>
        <img src="static/logo.svg" alt="" width="24" height="24" /><span class="wordmark__name">Tailrun</span>
      </a>
      <a class="topbar__link" href=${"#" + toCommands()} aria-current=${current(inCommands)}>Commands</a>
      <a class="topbar__link" href=${"#" + toRuns()} aria-current=${current(inRuns)}>Runs</a>
      <span class="topbar__space"></span>
      <a class="topbar__link" href="swagger/index.html">API</a>
      <button type="button" class="button button--quiet" aria-label="Keyboard shortcuts" title="Keyboard shortcuts"
        onClick=${onHelp}>?</button>
    </div>
  </nav>`;
}

addEventListener("offline", checkServer);

const place = document.getElementById("page");
place.replaceChildren();
render(html`<${Page} />`, place);
