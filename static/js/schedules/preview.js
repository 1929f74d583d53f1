/** What a line means, while it is typed: when it is due next, and what is to be expected of it. */
import { html, useEffect, useState } from "../base/ui.js";
import { previewSchedule } from "../server/schedules_api.js";
import { cronText, warningText, zonedText } from "../words/schedules.js";
import { t } from "../words/words.js";

const PAUSE_MS = 300;
const INVALID = 422;

/**
 * @param {string} cron
 * @param {string} timeZone
 * @returns {{found: object|null, errors: Record<string, string[]>}} found: of the last line that is one
 */
export function usePreview(cron, timeZone) {
  const [state, setState] = useState({ found: null, errors: {} });
  useEffect(() => {
    if (!cron.trim()) {
      setState({ found: null, errors: {} });
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await previewSchedule({ cron, time_zone: timeZone }, abort);
        setState({ found, errors: {} });
      } catch (problem) {
        if (!abort.signal.aborted) setState({ found: null, errors: problem.status === INVALID ? problem.errors : {} });
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [cron, timeZone]);
  return state;
}

/** @param {{cron: string, found: object|null}} props */
export function Preview({ cron, found }) {
  return html`<div class="preview" role="status">
    ${found &&
    html`<p class="preview__words">${cronText(cron.trim().split(/\s+/).join(" "), found.words)}</p>
      <${NextTimes} times=${found.next_times} />
      ${found.warnings.map((one) => html`<p class="warning" key=${one.text}>${warningText(one)}</p>`)}`}
  </div>`;
}

/** @param {{times: string[]}} props in their time zone */
export const NextTimes = ({ times }) => html`<ol class="next-times" aria-label=${t("schedule.next")}>
  ${times.map((at) => html`<li key=${at}><time datetime=${at}>${zonedText(at)}</time></li>`)}
</ol>`;
