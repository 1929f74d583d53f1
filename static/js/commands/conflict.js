/** Two people changed the same command: shows both versions and asks which to keep. */
import { html } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";

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
  return html`<${Dialog} wide title="Someone else changed this command" onClose=${onClose}>
    <div class="versions">
      <${Version} title="Stored version" fields=${theirs} other=${mine} />
      <${Version} title="Your version" fields=${mine} other=${theirs} />
    </div>
    <div class="dialog__actions">
      <${Button} label="Keep editing" autofocus onClick=${onClose} />
      <${Button} label="Use the stored version" onClick=${onTheirs} />
      <${Button} kind="danger" label="Overwrite with mine" disabled=${busy} onClick=${onMine} />
    </div>
  <//>`;
}

function Version({ title, fields, other }) {
  const about = Object.keys(LABELS).filter((field) => (fields[field] ?? "") !== (other[field] ?? ""));
  return html`<section class="version" aria-label=${title}>
    <h3>${title}</h3>
    ${about.map((field) => html`<p key=${field}>${LABELS[field]}: <bdi>${fields[field] || "none"}</bdi></p>`)}
    <pre tabindex="0"><code>${fields.script}</code></pre>
  </section>`;
}

const LABELS = { name: "Name", description: "Description", group: "Group" };
