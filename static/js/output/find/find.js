/** Finding in an output: what is searched for, as the address names it, and what is shown of it. */
import { readPreference, storePreference } from "../../base/preferences.js";
import { replacePath, useRoute } from "../../base/router.js";
import { FOREMOST, useShortcuts } from "../../base/shortcuts.js";
import { useEffect, useRef, useState } from "../../base/ui.js";
import { t } from "../../words/words.js";
import { useGoing } from "./going.js";
import { ALL, ERRORS, NOTHING, keyOf, pathWithQuery, pathWithShown, readQuery, readShown } from "./query.js";
import { useHighlights, useSearching } from "./searching.js";

/** @typedef {import("./query.js").Query} Query @typedef {import("./query.js").Shown} Shown */

const PREFERENCE = "errors";

/** @returns {Query} what is taken for an error */
export const errorsQuery = () => ({ ...NOTHING, text: readPreference(PREFERENCE) ?? ERRORS, regex: true });

/** @param {string} pattern taken for an error from now on */
export const keepErrors = (pattern) => storePreference(PREFERENCE, pattern);

/**
 * @param {object} output as `useOutput` gives it
 * @param {{run: import("../../model/types.js").Run, encoding: string}} read what is searched, and in which encoding it is read
 */
export function useFind(output, read) {
  const address = useRoute().query;
  const named = readQuery(address);
  const [query, setQuery] = useState(named);
  const [open, setOpen] = useState(Boolean(named.text));
  const shown = open ? readShown(address) : ALL;
  const pending = useRef(named.text && !address.get("line") ? 1 : 0);
  useHighlights(output, open ? query : null);
  const searching = useSearching(output, read, open ? query : null, shown);
  const { current, go: goOn } = useGoing(output, searching, shown.only);
  useEffect(() => {
    if (!named.text || keyOf(named) === keyOf(query)) return;
    setQuery(named);
    setOpen(true);
  }, [keyOf(named)]);
  useEffect(() => {
    const step = pending.current;
    if (searching.key === null || !step) return;
    pending.current = 0;
    goOn(step, { fresh: true });
  }, [searching.key]);

  /** @param {Query} next @param {1|-1|0} [step] where to go once it is searched for */
  const search = (next, step = 0) => {
    const same = open && keyOf(next) === keyOf(query);
    setOpen(true);
    setQuery(next);
    replacePath(pathWithQuery(location.hash, next));
    if (same && step) goOn(step);
    else pending.current = step;
  };
  const go = (step) => (!open && query.text ? search(query, step) : goOn(step));
  /** @param {Shown} next */
  const show = (next) => replacePath(pathWithShown(location.hash, next));
  const close = () => {
    setOpen(false);
    replacePath(pathWithShown(pathWithQuery(location.hash, NOTHING), ALL));
    output.scroller.current.focus();
  };
  const field = useRef(null);
  const wantsField = useRef(false);
  const openBar = () => {
    wantsField.current = true;
    setOpen(true);
    field.current?.select();
  };
  useFindShortcuts({ openBar, search, go, close, open });
  const hits = searching.found.current?.hits ?? null;
  return { open, query, search, go, close, shown, show, current, hits, field, wantsField };
}

function useFindShortcuts({ openBar, search, go, close, open }) {
  useShortcuts([
    { key: "/", description: t("find.key.find"), run: openBar },
    { key: "n", description: t("find.key.next"), run: () => go(1) },
    { key: "N", description: t("find.key.previous"), run: () => go(-1) },
    { key: "e", description: t("find.key.next-error"), run: () => search(errorsQuery(), 1) },
    { key: "E", description: t("find.key.previous-error"), run: () => search(errorsQuery(), -1) },
  ]);
  const closing = { key: "Escape", description: t("find.key.close"), run: close };
  useShortcuts(open ? [closing] : [], { rank: FOREMOST });
}
