/** Whose acts, which acts, and when: kept in the address. */
import { html } from "../base/ui.js";
import { ACTS, capitalised } from "../words/access.js";

/** @typedef {Record<string, string>} Filter by name: principal, act, since and until in the browser's time zone */

const TIMES = ["since", "until"];

/** @param {Filter} filter @returns {Filter} as the API takes it; a time that is none is left out */
export function askedOf(filter) {
  const asked = { ...filter };
  for (const name of TIMES) {
    const time = Date.parse(filter[name] ?? "");
    asked[name] = Number.isNaN(time) ? "" : new Date(time).toISOString();
  }
  return asked;
}

/** @param {{filter: Filter, onFilter: (filter: Filter) => void}} props */
export function AuditFilter({ filter, onFilter }) {
  const change = (event) => onFilter({ ...filter, [event.target.name]: event.target.value.trim() });
  return html`<form class="filters" role="search" aria-label="Filter the audit" onSubmit=${(event) => event.preventDefault()}>
    <label class="filter">
      <span>Who</span>
      <input name="principal" type="text" value=${filter.principal ?? ""} placeholder="Anybody" autocomplete="off"
        autocapitalize="off" spellcheck=${false} onChange=${change} />
    </label>
    <label class="filter">
      <span>What</span>
      <select name="act" value=${filter.act ?? ""} onChange=${change}>
        <option value="">Anything</option>
        ${Object.entries(ACTS).map(([act, text]) => html`<option key=${act} value=${act}>${capitalised(text)}</option>`)}
      </select>
    </label>
    ${TIMES.map(
      (name) => html`<label class="filter" key=${name}>
        <span>${capitalised(name)}</span>
        <input name=${name} type="datetime-local" value=${filter[name] ?? ""} onChange=${change} />
      </label>`,
    )}
  </form>`;
}
