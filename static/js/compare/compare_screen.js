/** Two runs: what differs in how they went, in what they executed and in what they wrote. */
import { go, replacePath, toCompare, toRun, toRuns } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { html } from "../base/ui.js";
import { changedRun } from "../model/changes.js";
import { isActive } from "../model/run.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { getCommand, getRun } from "../server/api.js";
import { pollInterval, usePolling } from "../server/polling.js";
import { t } from "../words/words.js";
import { Facts } from "./facts.js";
import { Outputs } from "./outputs.js";
import { choiceOf, queryOf } from "./part.js";
import { Scripts } from "./scripts.js";

/** @typedef {import("../model/types.js").Run} Run */

const NOT_FOUND = 404;

/** @param {{id: string, other: string, query: URLSearchParams}} props id: of the first run; other: of the second */
export function CompareScreen({ id, other, query }) {
  useShortcuts([{ key: "Escape", description: t("compare.back"), run: () => go(toRuns()) }]);
  const swap = "#" + toCompare(other, id, queryOf(choiceOf(query)));
  return html`
    <${Heading} title=${t("compare.title")} trail=${[[t("runs.title"), toRuns()]]}>
      ${id !== other && html`<${Button} label=${t("compare.swap")} href=${swap} />`}
    <//>
    ${id === other ? html`<${Itself} id=${id} />` : html`<${Both} ids=${[id, other]} query=${query} />`}
  `;
}

const Itself = ({ id }) => html`<${Empty} title=${t("compare.itself")}>
  <${Button} label=${t("compare.itself.run")} href=${"#" + toRun(id)} />
<//>`;

function Both({ ids, query }) {
  const [one, other] = ids.map(useRun);
  const missing = [one, other].map(({ problem }) => problem?.status === NOT_FOUND);
  if (missing.some(Boolean)) return html`<${Missing} ids=${ids} missing=${missing} />`;
  if (!one.value || !other.value) return html`<${Waiting} problem=${one.problem ?? other.problem} />`;
  return html`<${Comparison} runs=${[one.value, other.value]} query=${query} />`;
}

/** @param {string} id */
const useRun = (id) =>
  usePolling(
    (options) => getRun(id, options),
    [id],
    (run) => (isActive(run) ? pollInterval(true) : null),
    changedRun,
  );

/** One that was deleted, never was, or may not be seen: the server does not say which. */
function Missing({ ids, missing }) {
  const which = missing.every(Boolean) ? "both" : missing[0] ? "first" : "second";
  return html`<${Empty} title=${t(`compare.missing.${which}`)}>
    <div class="empty__actions">
      ${which !== "both" &&
      html`<${Button} label=${t("compare.other")} href=${"#" + toRun(ids[missing.indexOf(false)])} />`}
      <${Button} label=${t("missing.runs")} href=${"#" + toRuns()} />
    </div>
  <//>`;
}

function Comparison({ runs, query }) {
  const choice = choiceOf(query);
  const [one, other] = runs.map(({ command_id: id }) => id);
  const commands = [useCommand(one), useCommand(other === one ? null : other)];
  const names = [commands[0]?.name, commands[other === one ? 0 : 1]?.name];
  const onChoose = (next) => replacePath(toCompare(runs[0].id, runs[1].id, queryOf(next)));
  return html`<div class="compare">
    <${Facts} runs=${runs} names=${names} />
    <${Scripts} runs=${runs} />
    <${Outputs} runs=${runs} choice=${choice} onChoose=${onChoose} />
  </div>`;
}

/** @param {string|null} id null: none @returns {import("../model/types.js").Command|null|undefined} */
const useCommand = (id) =>
  usePolling(
    (options) => (id ? getCommand(id, options) : Promise.resolve(null)),
    [id],
    () => null,
  ).value;
