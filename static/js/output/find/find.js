/** Finding in an output: what is searched for, which hit is shown, and going from one to the next. */
import { readPreference, storePreference } from "../../base/preferences.js";
import { replacePath, useRoute } from "../../base/router.js";
import { FOREMOST, useShortcuts } from "../../base/shortcuts.js";
import { useEffect, useRef, useState } from "../../base/ui.js";
import { searchRun } from "../../server/api.js";
import { t } from "../../words/words.js";
import { HitLines } from "./content.js";
import { Highlights } from "./highlights.js";
import { Hits } from "./hits.js";
import { ERRORS, NOTHING, asked, keyOf, pathWithQuery, readQuery } from "./query.js";

/** @typedef {import("./query.js").Query} Query */

const PREFERENCE = "errors";

/** @returns {Query} what is taken for an error */
export const errorsQuery = () => ({ ...NOTHING, text: readPreference(PREFERENCE) ?? ERRORS, regex: true });

/** @param {string} pattern taken for an error from now on */
export const keepErrors = (pattern) => storePreference(PREFERENCE, pattern);

/**
 * @param {object} output as `useOutput` gives it
 * @param {import("../../model/types.js").Run} run
 */
export function useFind(output, run) {
  const address = useRoute().query;
  const named = readQuery(address);
  const [query, setQuery] = useState(named);
  const [open, setOpen] = useState(Boolean(named.text));
  const [only, setOnly] = useState(false);
  /** @type {[{line: number, ordinal: number|null}|null, Function]} the hit that is shown */
  const [current, setCurrent] = useState(null);
  const [, redraw] = useState(0);
  const found = useRef(null);
  const going = useRef(0);
  const pending = useRef(named.text && !address.get("line") ? 1 : 0);
  useHighlights(output, open ? query : null);
  const key = open && query.text ? `${output.key} ${keyOf(query)}` : null;
  useEffect(() => {
    setCurrent(null);
    if (key === null) return undefined;
    const ask = (values, options) => searchRun(run.id, { ...asked(query), ...values }, options);
    const hits = new Hits(ask, () => {
      redraw((count) => count + 1);
      found.current?.lines.onChange();
    });
    found.current = { hits, lines: new HitLines(hits) };
    return () => {
      hits.dispose();
      found.current = null;
    };
  }, [key]);
  useEffect(() => found.current?.hits.grow(output.state.size), [output.state.size]);
  useEffect(() => {
    if (!only || !found.current) return undefined;
    const [seen, { lines }] = [output.window.current, output];
    seen.setContent(found.current.lines);
    return () => seen.setContent(lines.current);
  }, [only, key]);
  useEffect(() => {
    if (!named.text || keyOf(named) === keyOf(query)) return;
    setQuery(named);
    setOpen(true);
  }, [keyOf(named)]);

  /**
   * Goes on from the hit that is shown, or from what is seen.
   * @param {1|-1} step
   * @param {{fresh?: boolean}} [how] fresh: something else is searched for, which may be where one is
   */
  const go = async (step, { fresh = false } = {}) => {
    if (!open && query.text) search(query, step);
    const { hits } = found.current ?? {};
    if (!hits) return;
    const turn = (going.current += 1);
    const seen = output.window.current;
    const beside = fresh ? 0 : 1;
    const after = current ? current.line + beside : seen.first;
    const before = current ? current.line + 1 - beside : seen.last + 1;
    try {
      const hit =
        step > 0
          ? ((await hits.from(after)) ?? (await hits.from(1)))
          : ((await hits.before(before)) ?? (await hits.last()));
      // A window on nothing but hits has to know which one it is.
      if (only && hit) await hits.at(await hits.ordinalOf(hit.line));
      if (turn !== going.current || !hit) return;
      seen.goTo(hit.line, { align: "center", mark: true });
      setCurrent({ line: hit.line, ordinal: null });
      await hits.counting;
      const ordinal = await hits.ordinalOf(hit.line);
      if (turn === going.current) setCurrent({ line: hit.line, ordinal });
    } catch (problem) {
      if (turn === going.current && problem.name !== "AbortError") {
        hits.problem = problem;
        redraw((count) => count + 1);
      }
    }
  };
  useEffect(() => {
    if (key !== null && pending.current) {
      const step = pending.current;
      pending.current = 0;
      go(step, { fresh: true });
    }
  }, [key]);

  /** @param {Query} next @param {1|-1|0} [step] where to go once it is searched for */
  const search = (next, step = 0) => {
    const same = open && keyOf(next) === keyOf(query);
    setOpen(true);
    setQuery(next);
    replacePath(pathWithQuery(location.hash, next));
    if (same && step) go(step);
    else pending.current = step;
  };
  const close = () => {
    setOpen(false);
    setOnly(false);
    replacePath(pathWithQuery(location.hash, NOTHING));
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
  const hits = found.current?.hits ?? null;
  return { open, query, search, go, close, only, setOnly, current, hits, field, wantsField };
}

/** Has what is found highlighted in the rows. */
function useHighlights(output, query) {
  const highlights = useRef(null);
  useEffect(() => {
    highlights.current = new Highlights();
    const { decorators } = output.window.current;
    decorators.add(highlights.current.decorate);
    return () => {
      decorators.delete(highlights.current.decorate);
      highlights.current.dispose();
    };
  }, [output.key]);
  useEffect(() => {
    highlights.current.set(query);
    output.window.current.redraw();
  }, [query && keyOf(query), output.key]);
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
