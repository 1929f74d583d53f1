/** A run's lines and the window on them, for as long as the component is shown. */
import { useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { isActive } from "../model/run.js";
import { Lines } from "./lines/lines.js";
import { OutputWindow } from "./window/window.js";

/** @typedef {import("../model/types.js").Run} Run @typedef {import("../model/types.js").Row} Row */

/** Of what is seen, before anything was drawn: `left` is how many lines there were when it was left behind. */
const UNSEEN = { following: true, left: 0, empty: true };

/**
 * @param {Run} run
 * @param {{encoding: string, as: "written"|"terminal", wrap: string}} how
 * @param {(run: Partial<Run>) => void} onRun
 */
export function useOutput(run, { encoding, as, wrap }, onRun) {
  const [scroller, host, lines, shown] = [useRef(null), useRef(null), useRef(null), useRef(null)];
  const [state, setState] = useState({ kind: isActive(run) ? "connecting" : "loading", next: 0, lineCount: 0 });
  const [seen, setSeen] = useState(UNSEEN);
  const key = `${run.id} ${encoding}`;
  useLayoutEffect(() => {
    lines.current = new Lines(run, encoding, { onRun, onState: setState }, { as });
    shown.current = new OutputWindow(scroller.current, host.current, {
      onState: ({ following, count }) => {
        lines.current.following = following;
        setSeen((before) => seenAfter(before, following, count));
      },
    });
    shown.current.setContent(lines.current);
    return () => {
      shown.current.dispose();
      lines.current.dispose();
    };
  }, [key]);
  useEffect(() => lines.current.compare(run), [run]);
  useEffect(() => lines.current.draw(as), [as]);
  useLayoutEffect(() => shown.current.rewrap(), [wrap]);
  const missed = seen.following ? 0 : Math.max(0, state.lineCount - seen.left);
  /** @param {HTMLElement} inside of a row's element @returns {Row|null} */
  const rowOf = (inside) => lines.current.rows(...indexes(inside.closest(".out-row")))[0];
  return { scroller, host, lines, window: shown, state, seen, missed, key, rowOf };
}

function seenAfter(before, following, count) {
  const empty = count === 0;
  if (before.following === following && before.empty === empty) return before;
  // Where an address leads to a line before any is there, none is left behind.
  const isLeft = before.following === following && !before.empty;
  return { following, left: isLeft ? before.left : count, empty };
}

const indexes = (element) => [Number(element.dataset.line) - 1, Number(element.dataset.line)];
