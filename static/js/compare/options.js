/** Which part of the outputs is compared, and what of it does not count. */
import { html } from "../base/ui.js";
import { TypedInput } from "../parts/typed_input.js";
import { t } from "../words/words.js";

/** @typedef {import("./part.js").Choice} Choice */

const PARTS = ["end", "start", "lines"];
const IGNORED = ["times", "digits"];

/** @param {{choice: Choice, onChoose: (choice: Choice) => void}} props */
export function Options({ choice, onChoose }) {
  const { lines } = choice;
  const onLine = ({ target: { name, value } }) => {
    const number = Math.max(1, Math.trunc(Number(value)) || 1);
    onChoose({ ...choice, lines: name === "from" ? [number, Math.max(number, lines[1])] : [lines[0], number] });
  };
  const line = (name, value) => html`<label class="filter" key=${name}>
    <span>${t(`compare.line.${name}`)}</span>
    <${TypedInput} type="number" name=${name} min="1" value=${value} onChange=${onLine} />
  </label>`;
  return html`<form class="filters compare-options" aria-label=${t("compare.options")}
    onSubmit=${(event) => event.preventDefault()}>
    <label class="filter">
      <span>${t("compare.part")}</span>
      <select value=${choice.part} onChange=${({ target }) => onChoose({ ...choice, part: target.value })}>
        ${PARTS.map((part) => html`<option key=${part} value=${part}>${t(`compare.part.${part}`)}</option>`)}
      </select>
    </label>
    ${choice.part === "lines" && [line("from", lines[0]), line("to", lines[1])]}
    ${IGNORED.map(
      (name) => html`<label class="check" key=${name}>
        <input type="checkbox" checked=${choice[name]}
          onChange=${({ target }) => onChoose({ ...choice, [name]: target.checked })} />
        ${t(`compare.ignore.${name}`)}
      </label>`,
    )}
  </form>`;
}
