/** Two people changed the same command: shows both versions and asks which to keep. */
import { html } from "../base/ui.js";
import { DifferenceView, useDifference } from "../difference/difference_view.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { t } from "../words/words.js";

/** @typedef {import("./fields.js").CommandFields} CommandFields */

/**
 * @param {object} props
 * @param {CommandFields} props.theirs as it is stored now
 * @param {CommandFields} props.mine
 * @param {boolean} props.busy
 * @param {() => void} props.onMine overwrites theirs
 * @param {() => void} props.onTheirs discards mine
 * @param {() => void} props.onClose continues editing
 */
export function Conflict({ theirs, mine, busy, onMine, onTheirs, onClose }) {
  return html`<${Dialog} wide title=${t("conflict.title")} onClose=${onClose}>
    ${theirs.script !== mine.script && html`<${Change} theirs=${theirs.script} mine=${mine.script} />`}
    <div class="versions">
      <${Version} title=${t("conflict.theirs")} fields=${theirs} other=${mine} />
      <${Version} title=${t("conflict.mine")} fields=${mine} other=${theirs} />
    </div>
    <div class="dialog__actions">
      <${Button} label=${t("form.keep-editing")} autofocus onClick=${onClose} />
      <${Button} label=${t("conflict.use-theirs")} onClick=${onTheirs} />
      <${Button} kind="danger" label=${t("conflict.use-mine")} disabled=${busy} onClick=${onMine} />
    </div>
  <//>`;
}

function Change({ theirs, mine }) {
  return html`<div class="conflict__change">
    <h3>${t("conflict.change")}</h3>
    <${DifferenceView} difference=${useDifference(theirs, mine)} label=${t("conflict.change")} />
  </div>`;
}

function Version({ title, fields, other }) {
  const about = NAMED.filter((field) => (fields[field] ?? "") !== (other[field] ?? ""));
  const value = (field) => html`<bdi>${fields[field] || t("conflict.field.none")}</bdi>`;
  return html`<section class="version" aria-label=${title}>
    <h3>${title}</h3>
    ${about.map((field) => html`<p key=${field}>${t(`field.${field}`)}: ${value(field)}</p>`)}
    <pre tabindex="0"><code>${fields.script}</code></pre>
  </section>`;
}

const NAMED = ["name", "description", "group"];
