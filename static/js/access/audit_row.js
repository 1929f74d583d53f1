/** One entry of the audit. */
import { toAudit, toCommand, toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { shortId } from "../model/run.js";
import { Moment } from "../parts/time.js";
import { actText, detailsText, howKnown, outcomeLabel } from "../words/access.js";
import { phrase, t } from "../words/words.js";

/** @param {{entry: import("../model/types.js").Entry}} props */
export function AuditRow({ entry }) {
  const details = detailsText(entry.details);
  const { command_id: command, script_sha256: script } = entry;
  const done = entry.outcome === "done";
  const who = html`<a href=${"#" + toAudit({ principal: entry.principal })}><bdi>${entry.principal}</bdi></a>`;
  const id = (text) => html`<code>${shortId(text)}</code>`;
  return html`<li class="row audit-row">
    <span class="audit-row__at"><${Moment} at=${entry.at} /></span>
    <p class="audit-row__what">
      ${phrase("audit.row", { who, act: actText(entry.act) })}
    </p>
    <span class=${done ? "muted" : "audit-row__wrong"}>${outcomeLabel(entry.outcome)}</span>
    <div class="audit-row__more">
      <span>${t("audit.from", { how: howKnown(entry.known_by), address: entry.address })}</span>
      ${entry.run_id && html`<a href=${"#" + toRun(entry.run_id)}>${phrase("audit.run", { id: id(entry.run_id) })}</a>`}
      ${command && html`<a href=${"#" + toCommand(command)}>${phrase("audit.command", { id: id(command) })}</a>`}
      ${script && html`<span title=${script}>${phrase("audit.script", { id: id(script) })}</span>`}
      ${details && html`<bdi title=${JSON.stringify(entry.details)}>${details}</bdi>`}
    </div>
  </li>`;
}
