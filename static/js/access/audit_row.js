/** One entry of the audit. */
import { toAudit, toCommand, toRun } from "../base/router.js";
import { html } from "../base/ui.js";
import { shortId } from "../model/run.js";
import { Moment } from "../parts/time.js";
import { actText, detailsText, outcomeLabel } from "../words/access.js";

/** @param {{entry: import("../model/types.js").Entry}} props */
export function AuditRow({ entry }) {
  const details = detailsText(entry.details);
  const { command_id: command, script_sha256: script } = entry;
  const done = entry.outcome === "done";
  return html`<li class="row audit-row">
    <span class="audit-row__at"><${Moment} at=${entry.at} /></span>
    <p class="audit-row__what">
      <a href=${"#" + toAudit({ principal: entry.principal })}><bdi>${entry.principal}</bdi></a>${" "}
      ${actText(entry.act)}
    </p>
    <span class=${done ? "muted" : "audit-row__wrong"}>${outcomeLabel(entry.outcome)}</span>
    <div class="audit-row__more">
      <span>${entry.known_by} from ${entry.address}</span>
      ${entry.run_id && html`<a href=${"#" + toRun(entry.run_id)}>run <code>${shortId(entry.run_id)}</code></a>`}
      ${command && html`<a href=${"#" + toCommand(command)}>command <code>${shortId(command)}</code></a>`}
      ${script && html`<span title=${script}>script <code>${shortId(script)}</code></span>`}
      ${details && html`<bdi title=${JSON.stringify(entry.details)}>${details}</bdi>`}
    </div>
  </li>`;
}
