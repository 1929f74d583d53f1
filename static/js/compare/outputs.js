/** What differs in the outputs of two runs. */
import { html, useMemo } from "../base/ui.js";
import { DifferenceView, useDifference } from "../difference/difference_view.js";
import { isActive } from "../model/run.js";
import { textOf } from "../output/decoding.js";
import { encodingOf } from "../output/encoding.js";
import { Button } from "../parts/button.js";
import { NotRead } from "../parts/not_read.js";
import { serverNow } from "../server/clock.js";
import { usePolling } from "../server/polling.js";
import { bytes, shortTime } from "../words/format.js";
import { t } from "../words/words.js";
import { Options } from "./options.js";
import { askedOf, comparedOf, MOST_BYTES, MOST_LINES } from "./part.js";
import { readAll } from "./reading.js";

/**
 * @typedef {import("../model/types.js").Run} Run
 * @typedef {import("./part.js").Choice} Choice
 * @typedef {import("./part.js").Compared} Compared
 */

const SIDES = ["first", "second"];

/** @param {{runs: [Run, Run], choice: Choice, onChoose: (choice: Choice) => void}} props */
export function Outputs({ runs, choice, onChoose }) {
  const asked = JSON.stringify(askedOf(choice));
  const { value, problem, reload } = usePolling(
    (options) => read(runs, choice, options),
    [...runs.map(({ id }) => id), asked],
    () => null,
  );
  const [before, after] = useMemo(() => value?.outputs.map(textIn) ?? [null, null], [value]);
  const difference = useDifference(before, after, choice);
  return html`<section class="section">
    <h2>${t("compare.output")}</h2>
    <${Options} choice=${choice} onChoose=${onChoose} />
    ${problem && html`<${NotRead} problem=${problem} />`}
    ${value && html`<${Parts} outputs=${value.outputs} />`}
    ${value && isOutgrown(runs, value.outputs) && html`<${Again} at=${value.at} onAgain=${reload} />`}
    ${(value || !problem) &&
    html`<${DifferenceView} keys difference=${difference} label=${t("compare.output")}
      first=${value?.outputs.map(({ first }) => first)} />`}
  </section>`;
}

/** @returns {Promise<{at: number, outputs: (Compared & {encoding: string})[]}>} */
async function read(runs, choice, options) {
  const one = async ({ id, command_id: command }) => {
    const part = await readAll(id, askedOf(choice), options);
    return { ...comparedOf(part, choice), encoding: encodingOf(command) };
  };
  const at = serverNow();
  return { at, outputs: await Promise.all(runs.map(one)) };
}

/** Without a newline at its end, as with it. */
const textIn = ({ bytes: part, offset, encoding }) => (part.length ? textOf(part, offset, encoding) + "\n" : "");

/** @param {Run[]} runs @param {Compared[]} outputs */
const isOutgrown = (runs, outputs) => runs.some((run, i) => isActive(run) || run.output_bytes > outputs[i].size);

function Parts({ outputs }) {
  if (outputs.every(({ whole }) => whole)) return html`<p class="muted">${t("compare.whole")}</p>`;
  const told = outputs.map(({ first, last, lines: count }, i) =>
    last < first
      ? t(`compare.none-of.${SIDES[i]}`, { count })
      : t(`compare.of.${SIDES[i]}`, { first, last, count: Math.max(count, last) }),
  );
  const bounds = t("compare.bounds", { lines: t("n.lines", { count: MOST_LINES }), size: bytes(MOST_BYTES) });
  return html`<p class="muted">${[bounds, ...told].join(" ")}</p>`;
}

const Again = ({ at, onAgain }) => html`<p class="compare-again" role="status">
  <span>${t("compare.going", { at: shortTime(at) })}</span>
  <${Button} small label=${t("compare.again")} onClick=${onAgain} />
</p>`;
