/** When lines were written, beside them: which way, is a choice that is kept in this browser. */
import { readPreference, storePreference } from "../../base/preferences.js";
import { useShortcuts } from "../../base/shortcuts.js";
import { html, useEffect, useRef, useState } from "../../base/ui.js";
import { Button } from "../../parts/button.js";
import { listMarks } from "../../server/api.js";
import { t } from "../../words/words.js";
import { TimesGutter } from "./gutter.js";
import { LineMarks } from "./marks.js";
import { MODES, nextMode } from "./text.js";

/** @typedef {import("./text.js").TimesMode} TimesMode */

/**
 * @param {{current: import("../window/window.js").OutputWindow|null}} output
 * @param {import("../../model/types.js").Run} run
 * @param {() => number} lineCount
 * @param {unknown} shown changes where the window is another
 * @returns {{mode: TimesMode, next: () => void}}
 */
export function useTimes(output, run, lineCount, shown) {
  const kept = readPreference("times");
  const [mode, setMode] = useState(MODES.includes(kept) ? kept : MODES[0]);
  /** @type {{current: TimesGutter|null}} */
  const gutter = useRef(null);
  useEffect(() => {
    const marks = new LineMarks((first, last, options) => listMarks(run.id, { first, last }, options), () =>
      gutter.current.fill(),
    );
    gutter.current = new TimesGutter({ marks, lineCount, start: Date.parse(run.start_time) / 1000 });
    const { decorators } = output.current;
    decorators.add(gutter.current.decorate);
    return () => {
      decorators.delete(gutter.current.decorate);
      gutter.current.dispose();
    };
  }, [shown]);
  useEffect(() => {
    gutter.current.mode = mode;
    output.current.redraw();
  }, [mode, shown]);
  const next = () => {
    storePreference("times", nextMode(mode));
    setMode(nextMode(mode));
  };
  useShortcuts([{ key: "t", description: t("times.next"), run: next }]);
  return { mode, next };
}

/** @param {{mode: TimesMode, onNext: () => void}} props */
export const TimesButton = ({ mode, onNext }) => html`<${Button} small compact kind="quiet" icon="clock"
  label=${t(`times.${mode}`)} aria-pressed=${mode !== "none"} onClick=${onNext} />`;
