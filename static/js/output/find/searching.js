/** What a search has found, for as long as it is the one that is shown. */
import { useEffect, useRef, useState } from "../../base/ui.js";
import { searchRun } from "../../server/api.js";
import { HitLines } from "./content.js";
import { Highlights } from "./highlights.js";
import { Hits } from "./hits.js";
import { asked, keyOf } from "./query.js";

/** @typedef {import("./query.js").Query} Query @typedef {import("./query.js").Shown} Shown */

/**
 * @param {object} output as `useOutput` gives it
 * @param {{run: import("../../model/types.js").Run, encoding: string}} read what is searched, and in which encoding it is read
 * @param {Query|null} query null: nothing is searched for
 * @param {Shown} shown
 * @returns {{key: string|null, found: {current: {hits: Hits, lines: HitLines}|null}, tell: () => void}}
 * key: changes with what is searched for; tell: what is known has changed
 */
export function useSearching(output, { run, encoding }, query, { only, context }) {
  const [, redraw] = useState(0);
  const found = useRef(null);
  const tell = () => redraw((count) => count + 1);
  const key = query?.text ? `${output.key} ${keyOf(query)}` : null;
  useEffect(() => {
    if (key === null) return undefined;
    const ask = (values, options) => searchRun(run.id, { ...asked(query), encoding, ...values }, options);
    const hits = new Hits(ask, () => {
      tell();
      found.current?.lines.onChange();
    });
    hits.setContext(context);
    found.current = { hits, lines: new HitLines(hits) };
    return () => {
      hits.dispose();
      found.current = null;
    };
  }, [key]);
  useEffect(() => found.current?.hits.grow(output.state.size), [output.state.size]);
  useEffect(() => found.current?.hits.setContext(context), [context]);
  useEffect(() => {
    if (!only || !found.current) return undefined;
    const [seen, { lines }] = [output.window.current, output];
    seen.setContent(found.current.lines);
    return () => seen.setContent(lines.current);
  }, [only, key]);
  return { key, found, tell };
}

/** Has what is found highlighted in the rows. @param {object} output @param {Query|null} query */
export function useHighlights(output, query) {
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
