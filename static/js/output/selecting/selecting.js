/** Lines chosen in an output, as the address names them. */
import { replacePath, useRoute } from "../../base/router.js";
import { useEffect, useRef } from "../../base/ui.js";
import { ChosenLines } from "./chosen.js";
import { formatLines, parseLines, pathWithLines } from "./lines.js";

/** @typedef {import("./lines.js").Lines} Lines */

/**
 * Has lines chosen by a click on their numbers, and shows those that the address names.
 * @param {{current: import("../window/window.js").OutputWindow|null}} output
 * @param {{current: HTMLElement|null}} host of the rows
 * @param {unknown} shown changes where the window is another
 * @returns {{lines: Lines|null, choose: (lines: Lines|null) => void}}
 */
export function useSelecting(output, host, shown) {
  const named = useRoute().query.get("line");
  const lines = parseLines(named);
  /** @type {{current: ChosenLines|null}} */
  const chosen = useRef(null);
  useEffect(() => {
    chosen.current = new ChosenLines(host.current, choose);
    const { decorators } = output.current;
    decorators.add(chosen.current.decorate);
    return () => {
      decorators.delete(chosen.current.decorate);
      chosen.current.dispose();
    };
  }, [shown]);
  useEffect(() => {
    const isNew = lines && (!chosen.current.lines || formatLines(lines) !== formatLines(chosen.current.lines));
    chosen.current.set(lines);
    if (isNew) output.current.goTo(lines.first, { align: lines.first === lines.last ? "center" : "start", mark: false });
  }, [named, shown]);
  return { lines, choose };
}

/** @param {Lines|null} lines */
const choose = (lines) => replacePath(pathWithLines(location.hash, lines));
