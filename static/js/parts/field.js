/** A labelled field with its hint and what the server found wrong with it. */
import { html } from "../base/ui.js";

/**
 * @param {object} props
 * @param {string} props.name the field's name in the API
 * @param {string} props.label
 * @param {string} [props.hint]
 * @param {string[]} [props.errors]
 * @param {(attributes: object) => unknown} props.control given id, name and the accessible description
 */
export function Field({ name, label, hint, errors = [], control }) {
  const id = `field-${name}`;
  const described = [hint && `${id}-hint`, errors.length && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class=${errors.length ? "field field--wrong" : "field"}>
    <label class="field__label" for=${id}>${label}</label>
    ${control({
      id,
      name,
      "aria-invalid": errors.length ? "true" : undefined,
      "aria-describedby": described || undefined,
    })}
    ${errors.length > 0 && html`<p class="field__error" id=${`${id}-error`}>${errors.join(" ")}</p>`}
    ${hint && html`<p class="field__hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}
