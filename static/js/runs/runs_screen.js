/** All runs, newest first, of all commands: which of them is said by the address. */
import { useListPosition } from "../base/list_position.js";
import { replacePath, toCommands, toRuns } from "../base/router.js";
import { html, useEffect, useMemo, useRef, useState } from "../base/ui.js";
import { changedRuns } from "../model/changes.js";
import { isActive } from "../model/run.js";
import { askedRuns, belongs, filterOf } from "../model/run_filter.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { getCommand, listRuns } from "../server/api.js";
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
  const commandName = useCommandName(filter.command_id, value?.items);
  const tab = useRunningTab(t("runs.title"), value?.items.filter(isActive).length ?? 0);
  const onFilter = (next) => replacePath(toRuns(next));
  const onDeleted = () => {
    clear();
    reload();
  };
  return html`
    <${Heading} title=${t("runs.title")} tab=${tab} />
    <${RunsFilter} filter=${filter} commandName=${commandName} onFilter=${onFilter} />
    ${problem?.final && html`<p class="form-error" role="alert">${problem.message}</p>`}
    ${!value && !problem?.final && html`<${Waiting} problem=${problem} />`}
    ${chosen.size > 0 &&
    html`<${Chosen} runs=${value.items.filter(({ id }) => chosen.has(id))} onClear=${clear} onDeleted=${onDeleted} />`}
    ${value?.items.length === 0 && html`<${NoRuns} isFiltered=${Object.keys(filter).length > 0} />`}
    ${value?.items.length > 0 && html`<${RunsTable} runs=${value.items} chosen=${chosen} onChoose=${choose} />`}
    ${value && html`<${More} next=${value.next} onMore=${() => setPages(pages + 1)} />`}
  `;
}

/**
 * @returns {[Set<string>, (ids: string[], isChosen: boolean, toLast?: boolean) => void, () => void]} of the runs that
 * are shown; toLast: with all from the one that was chosen before on
 */
function useChosen(runs) {
  const [ids, setIds] = useState(new Set());
  const there = new Set(runs.map(({ id }) => id));
  const chosen = new Set([...ids].filter((id) => there.has(id)));
  const last = useRef(null);
  const choose = (some, isChosen, toLast = false) => {
    const wanted = toLast ? span(runs, last.current, some[0]) : some;
    last.current = some.length === 1 ? some[0] : null;
    const kept = [...chosen].filter((id) => !wanted.includes(id));
    setIds(new Set(isChosen ? [...kept, ...wanted] : kept));
  };
  return [chosen, choose, () => setIds(new Set())];
}

/** @returns {string[]} the ids of the runs from one to another, both with them */
function span(runs, from, to) {
  const ids = runs.map(({ id }) => id);
  const [one, other] = [ids.indexOf(from), ids.indexOf(to)];
  return one < 0 ? [to] : ids.slice(Math.min(one, other), Math.max(one, other) + 1);
}

/** The name of the command whose runs are listed: one of them tells it, and it is asked for where there is none. */
function useCommandName(id, runs) {
  const [asked, setAsked] = useState({});
  const told = runs?.find(({ command }) => command?.id === id)?.command.name;
  const isWanted = id && runs && told === undefined;
  useEffect(() => {
    if (!isWanted) return undefined;
    const abort = new AbortController();
    getCommand(id, { signal: abort.signal }).then(
      ({ name }) => setAsked({ id, name }),
      () => {}, // its id is shown
    );
    return () => abort.abort();
  }, [id, isWanted]);
  return told ?? (asked.id === id ? asked.name : undefined);
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
