/** Whose acts, which acts, and when: kept in the address. */
import { html } from "../base/ui.js";
import { TypedInput } from "../parts/typed_input.js";
import { ACTS, actText, capitalised } from "../words/access.js";
import { t } from "../words/words.js";

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
  return html`<form class="filters" role="search" aria-label=${t("audit.filter")}
    onSubmit=${(event) => event.preventDefault()}>
    <label class="filter">
      <span>${t("access.who")}</span>
      <${TypedInput} name="principal" type="text" value=${filter.principal ?? ""} placeholder=${t("audit.anybody")}
        autocomplete="off" autocapitalize="off" spellcheck=${false} onChange=${change} />
    </label>
    <label class="filter">
      <span>${t("audit.what")}</span>
      <select name="act" value=${filter.act ?? ""} onChange=${change}>
        <option value="">${t("audit.anything")}</option>
        ${ACTS.map((act) => html`<option key=${act} value=${act}>${capitalised(actText(act))}</option>`)}
      </select>
    </label>
    ${TIMES.map(
      (name) => html`<label class="filter" key=${name}>
        <span>${t(`audit.${name}`)}</span>
        <${TypedInput} name=${name} type="datetime-local" value=${filter[name] ?? ""} onChange=${change} />
      </label>`,
    )}
  </form>`;
}
