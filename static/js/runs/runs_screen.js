/** All runs, newest first, of all commands. */
import { useListPosition } from "../base/list_position.js";
import { replacePath, toCommands, toRuns } from "../base/router.js";
import { html, useEffect, useState } from "../base/ui.js";
import { isActive, shortId, STATES } from "../model/run.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { getCommand, listRuns } from "../server/api.js";
import { loadPages, pollInterval, useLast, usePolling } from "../server/polling.js";
import { stateLabel } from "../words/run.js";
import { t } from "../words/words.js";
import { useRunningTab } from "./favicon.js";
import { More, RunList } from "./run_list.js";

/** @param {{query: URLSearchParams}} props */
export function RunsScreen({ query }) {
  const state = query.get("state") ?? "";
  const [place, remember] = useListPosition();
  const [pages, setPages] = useState(place.pages);
  const load = (options) => loadPages((page) => listRuns({ state, ...page }, options), pages);
  const { value: fresh, problem } = usePolling(load, [state, pages], (list) => pollInterval(list.items.some(isActive)));
  const value = useLast(fresh, place.list);
  remember({ pages, list: value });
  const nameOf = useNames(value?.items ?? []);
  const tab = useRunningTab(t("runs.title"), value?.items.filter(isActive).length ?? 0);
  return html`
    <${Heading} title=${t("runs.title")} tab=${tab}><${StateFilter} state=${state} /><//>
    ${!value && html`<${Waiting} problem=${problem} />`}
    ${value?.items.length === 0 && html`<${NoRuns} state=${state} />`}
    ${value?.items.length > 0 && html`<${RunList} runs=${value.items} nameOf=${nameOf} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  `;
}

function StateFilter({ state }) {
  return html`<label class="filter">
    <span>${t("runs.state")}</span>
    <select value=${state} onChange=${(event) => replacePath(toRuns(event.target.value))}>
      <option value="">${t("filter.all")}</option>
      ${STATES.map((each) => html`<option key=${each} value=${each}>${stateLabel(each)}</option>`)}
    </select>
  </label>`;
}

function NoRuns({ state }) {
  if (!state) {
    return html`<${Empty} title=${t("runs.none")}>
      <p>${t("runs.none.about")}</p>
      <${Button} label=${t("runs.none.commands")} href=${"#" + toCommands()} />
    <//>`;
  }
  return html`<${Empty} title=${t("runs.none-in-state", { state: stateLabel(state).toLowerCase() })}>
    <${Button} label=${t("runs.show-all")} href=${"#" + toRuns()} />
  <//>`;
}

/**
 * The names of the runs' commands, each asked for once.
 * @param {import("../model/types.js").Run[]} runs
 * @returns {(run: import("../model/types.js").Run) => string}
 */
function useNames(runs) {
  const [names, setNames] = useState(new Map());
  const wanted = [...new Set(runs.map((run) => run.command_id))].filter((id) => !names.has(id));
  useEffect(() => {
    let current = true;
    Promise.allSettled(wanted.map((id) => getCommand(id))).then((answers) => {
      if (!current || answers.length === 0) return;
      const found = answers.flatMap((answer) =>
        answer.status === "fulfilled" ? [[answer.value.id, answer.value.name]] : [],
      );
      setNames((known) => new Map([...known, ...found]));
    });
    return () => {
      current = false;
    };
  }, [wanted.join()]);
  return (run) => names.get(run.command_id) ?? t("runs.run", { id: shortId(run.id) });
}
