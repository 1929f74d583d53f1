/** All runs, newest first, of all commands: which of them is said by the address. */
import { useListPosition } from "../base/list_position.js";
import { replacePath, toCommands, toRuns } from "../base/router.js";
import { html, useMemo, useRef, useState } from "../base/ui.js";
import { changedRuns } from "../model/changes.js";
import { isActive } from "../model/run.js";
import { askedRuns, belongs, filterOf } from "../model/run_filter.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { listRuns } from "../server/api.js";
import { serverNow } from "../server/clock.js";
import { loadPages, pollInterval, useLast, usePolling } from "../server/polling.js";
import { t } from "../words/words.js";
import { Chosen } from "./chosen.js";
import { useRunningTab } from "./favicon.js";
import { More } from "./run_list.js";
import { RunsFilter } from "./runs_filter.js";
import { RunsTable } from "./runs_table.js";

/** @param {{query: URLSearchParams}} props */
export function RunsScreen({ query }) {
  const filter = filterOf(query);
  const key = JSON.stringify(filter);
  const [place, remember] = useListPosition();
  const [pages, setPages] = useState(place.pages);
  const asked = useMemo(() => askedRuns(filter, Date.now()), [key]);
  const load = (options) => loadPages((page) => listRuns({ ...asked, embed: "command", ...page }, options), pages);
  const pause = (list) => pollInterval(list.items.some(isActive));
  const apply = (list, change) => changedRuns(list, change, belongs(asked, serverNow()));
  const { value: fresh, problem, reload } = usePolling(load, [key, pages], pause, apply);
  const value = useLast(fresh, place.list);
  remember({ pages, list: value });
  const [chosen, choose, clear] = useChosen(value?.items ?? []);
  const commands = useCommands(value?.items ?? []);
  const tab = useRunningTab(t("runs.title"), value?.items.filter(isActive).length ?? 0);
  const onFilter = (next) => replacePath(toRuns(next));
  const onDeleted = () => {
    clear();
    reload();
  };
  return html`
    <${Heading} title=${t("runs.title")} tab=${tab} />
    <${RunsFilter} filter=${filter} commands=${commands} onFilter=${onFilter} />
    ${problem?.final && html`<p class="form-error" role="alert">${problem.message}</p>`}
    ${!value && !problem?.final && html`<${Waiting} problem=${problem} />`}
    ${chosen.size > 0 &&
    html`<${Chosen} runs=${value.items.filter(({ id }) => chosen.has(id))} onClear=${clear} onDeleted=${onDeleted} />`}
    ${value?.items.length === 0 && html`<${NoRuns} isFiltered=${Object.keys(filter).length > 0} />`}
    ${value?.items.length > 0 && html`<${RunsTable} runs=${value.items} chosen=${chosen} onChoose=${choose} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  `;
}

/** @returns {[Set<string>, (ids: string[], isChosen: boolean) => void, () => void]} of the runs that are shown */
function useChosen(runs) {
  const [ids, setIds] = useState(new Set());
  const there = new Set(runs.map(({ id }) => id));
  const chosen = new Set([...ids].filter((id) => there.has(id)));
  const choose = (some, isChosen) => {
    const kept = [...chosen].filter((id) => !some.includes(id));
    setIds(new Set(isChosen ? [...kept, ...some] : kept));
  };
  return [chosen, choose, () => setIds(new Set())];
}

/** @returns {Map<string, string>} the names of the commands that were met since the screen opened, by their ids */
function useCommands(runs) {
  const known = useRef(new Map()).current;
  for (const { command } of runs) if (command) known.set(command.id, command.name);
  return known;
}

function NoRuns({ isFiltered }) {
  if (isFiltered) {
    return html`<${Empty} title=${t("runs.not-found")}>
      <p>${t("runs.not-found.about")}</p>
      <${Button} label=${t("runs.show-all")} href=${"#" + toRuns()} />
    <//>`;
  }
  return html`<${Empty} title=${t("runs.none")}>
    <p>${t("runs.none.about")}</p>
    <${Button} label=${t("runs.none.commands")} href=${"#" + toCommands()} />
  <//>`;
}
