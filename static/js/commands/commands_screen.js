/** All commands, with the state of their last run: favourites first, narrowed by what the address says. */
import { useListPosition } from "../base/list_position.js";
import { replacePath, toAccount, toCommand, toCommands, toNew, toRun } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { useStore } from "../base/store.js";
import { html, useEffect, useRef, useState } from "../base/ui.js";
import { may, mayCreate } from "../model/access.js";
import { changedShelf, filterOf, inOrder } from "../model/command_filter.js";
import { firstLine, isActive } from "../model/run.js";
import { statesOf } from "../model/run_filter.js";
import { startOrAsk } from "../parameters/start_dialog.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Empty, Waiting } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { Icon } from "../parts/icon.js";
import { State } from "../parts/state.js";
import { StateChoice } from "../parts/state_choice.js";
import { Ago, Elapsed } from "../parts/time.js";
import { stop } from "../runs/actions.js";
import { useRunningTab } from "../runs/favicon.js";
import { More } from "../runs/run_list.js";
import { apiUrl, listCommands } from "../server/api.js";
import { loadPages, pollInterval, useLast, usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { phrase, t } from "../words/words.js";
import { favouriteIds, forget, loadFavourites, useFavourites } from "./favourites.js";
import { Group, GroupFilter, useKnownGroups } from "./group.js";
import { Star } from "./star.js";

const TYPING_PAUSE_MS = 200;

/** @param {{query: URLSearchParams}} props */
export function CommandsScreen({ query }) {
  const { who } = useStore(session);
  const filter = filterOf(query);
  const [shelf, { problem, reload, onMore }] = useShelf(filter);
  const favourites = useFavourites();
  const items = shelf && inOrder(shelf, filter, favourites);
  const going = items?.filter(({ last_run: run }) => run && isActive(run)).length ?? 0;
  const tab = useRunningTab(t("commands.title"), going);
  const groups = useKnownGroups(who, items, filter.group);
  const narrow = (change) => replacePath(toCommands({ ...filter, ...change }));
  const isFiltered = Object.keys(filter).length > 0;
  return html`
    <${Heading} title=${t("commands.title")} tab=${tab}>
      <${GroupFilter} groups=${groups} group=${filter.group} onChoose=${(group) => narrow({ group })} />
      <${Search} value=${filter.q ?? ""} onSearch=${(q) => narrow({ q })} />
      ${mayCreate(who) && html`<${Button} kind="main" icon="plus" label=${t("commands.new")} href=${"#" + toNew()} />`}
    <//>
    ${(isFiltered || items?.length > 0) &&
    html`<div class="filters"><${StateChoice} label=${t("commands.state")} chosen=${statesOf(filter)}
      onChoose=${(state) => narrow({ state })} /></div>`}
    ${!items && html`<${Waiting} problem=${problem} />`}
    ${items?.length === 0 && html`<${Nothing} filter=${filter} mayCreate=${mayCreate(who)} />`}
    ${items?.length > 0 && html`<${CommandList} items=${items} reload=${reload} />`}
    ${shelf && html`<${More} next=${shelf.next} onMore=${onMore} />`}
  `;
}

/** The commands that are shown, and the favourites among all; changed by what the events tell. */
function useShelf(filter) {
  const key = JSON.stringify(filter);
  const [place, remember] = useListPosition();
  const [pages, setPages] = useState(place.pages);
  const load = async (options) => {
    const list = loadPages((page) => listCommands({ ...filter, ...page }, options), pages);
    const [favourites, listed] = await Promise.all([loadFavourites(options), list]);
    return { ...listed, favourites };
  };
  const pause = ({ items }) => pollInterval(items.some(({ last_run: run }) => run && isActive(run)));
  const apply = (shelf, change) => {
    if (change.type === "command-deleted") forget([change.id]);
    return changedShelf(shelf, change, filter, favouriteIds());
  };
  const { value, problem, reload } = usePolling(load, [key, pages], pause, apply);
  const shelf = useLast(value, place.list);
  remember({ pages, list: shelf });
  return [shelf, { problem, reload, onMore: () => setPages(pages + 1) }];
}

function Search({ value, onSearch }) {
  const [text, setText] = useState(value);
  const input = useRef(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const timer = setTimeout(() => text !== value && onSearch(text), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useShortcuts([{ key: "/", description: t("commands.search"), run: () => input.current.focus() }]);
  const onKeyDown = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (text) setText("");
    else input.current.blur();
  };
  return html`<label class="search">
    <span class="visually-hidden">${t("commands.search")}</span>
    <${Icon} name="search" />
    <input ref=${input} type="search" placeholder=${t("commands.search.hint")} autocomplete="off" spellcheck=${false}
      value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${onKeyDown} />
    <kbd aria-hidden="true">/</kbd>
  </label>`;
}

const CommandList = ({ items, reload }) => html`<ul class="rows command-list">
  ${items.map((command) => html`<${CommandRow} key=${command.id} command=${command} reload=${reload} />`)}
</ul>`;

function CommandRow({ command, reload }) {
  const { last_run: run, description } = command;
  const about = description ? html`<bdi>${description}</bdi>` : html`<code>${firstLine(command.script ?? "")}</code>`;
  return html`<li class="row command-row">
    <${Star} command=${command} />
    <div class="command-row__what">
      <a class="row__link command-row__name" href=${"#" + toCommand(command.id)}><bdi>${command.name}</bdi></a>
      <${Group} of=${command} />
      <p class="command-row__more">${about}</p>
    </div>
    <div class="command-row__run">${run ? html`<${LastRun} run=${run} of=${command.name} />` : html`<${State} />`}</div>
    ${may(command, "operate") && html`<${RowAction} command=${command} run=${run} reload=${reload} />`}
  </li>`;
}

function LastRun({ run, of }) {
  const name = html`<bdi>${of}</bdi>`;
  return html`
    <a class="above" href=${"#" + toRun(run.id)}>
      <${State} run=${run} /><span class="visually-hidden">${phrase("commands.last-run", { name })}</span>
    </a>
    <span class="command-row__time">
      ${isActive(run) ? html`<${Elapsed} run=${run} />` : html`<${Ago} at=${run.end_time ?? run.start_time} />`}
    </span>
  `;
}

function RowAction({ command, run, reload }) {
  const [start, starting] = useAction(() => startOrAsk(command));
  const [stopIt, stopping] = useAction(() => stop(run.id).then(reload));
  const active = run && isActive(run);
  const [icon, label, full] = active
    ? ["stop", t("run.stop"), t("commands.stop-one", command)]
    : ["start", t("command.start"), t("commands.start-one", command)];
  return html`<${Button} compact kind="quiet" className="above" icon=${icon} label=${label} aria-label=${full}
    disabled=${starting || stopping || run?.stopping}
    onClick=${active ? stopIt : start} />`;
}

function Nothing({ filter: { q, group, state }, mayCreate }) {
  if (state) return html`<${NothingLikeThat} />`;
  if (q) return html`<${NothingFound} search=${q} />`;
  if (group) return html`<${NothingInGroup} group=${group} />`;
  return mayCreate ? html`<${NoCommands} />` : html`<${NothingForYou} />`;
}

const NothingLikeThat = () => html`<${Empty} title=${t("commands.none-like-that")}>
  <p>${t("commands.none-like-that.about")}</p>
  <${Button} label=${t("commands.show-all")} href=${"#" + toCommands()} />
<//>`;

const NothingInGroup = ({ group }) => html`<${Empty} title=${t("commands.none-in-group", { group })}>
  <${Button} label=${t("commands.show-all")} href=${"#" + toCommands()} />
<//>`;

function NothingForYou() {
  const here = html`<a href=${"#" + toAccount()}>${t("commands.none-for-you.here")}</a>`;
  return html`<${Empty} title=${t("commands.none-for-you")}>
    <p>${phrase("commands.none-for-you.about", { here })}</p>
  <//>`;
}

const NothingFound = ({ search }) => html`<${Empty} title=${t("commands.not-found", { search })}>
  <p>${t("commands.not-found.about")}</p>
  <${Button} label=${t("commands.show-all")} href=${"#" + toCommands()} />
<//>`;

const CURL = `curl ${apiUrl("/commands/")} -H 'Content-Type: application/json' \\
  -d '{"name": "count", "script": "for i in 1 2 3; do echo $i; sleep 1; done"}'`;

const NoCommands = () => html`<${Empty} title=${t("commands.none")}>
  <p>${t("commands.none.about")}</p>
  <pre class="example" tabindex="0"><code>${CURL}</code></pre>
  <${Button} kind="main" icon="plus" label=${t("commands.new")} href=${"#" + toNew()} />
<//>`;
