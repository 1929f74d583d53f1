/** The parameters of a command: added, described, put in order and removed. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";
import { errorsOf, fieldsOf, moved, TYPES } from "./definition.js";

/** @typedef {import("./definition.js").Said} Said */

const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };

/**
 * What they are stands in a hidden field of the form, `parameters`, as JSON.
 * @param {{parameters: Said[], errors: Record<string, string[]>}} props
 */
export function ParametersEditor({ parameters, errors }) {
  const numbers = useRef(0);
  const numbered = (said) => ({ number: (numbers.current += 1), said });
  const [items, setItems] = useState(() => parameters.map(numbered));
  const [told, setTold] = useState("");
  const focus = useRef("");
  const section = useRef(null);
  const hidden = useValue(JSON.stringify(items.map(({ said }) => said)));
  useLayoutEffect(() => {
    if (focus.current) section.current.querySelector(focus.current)?.focus();
    focus.current = "";
  }, [items]);
  const add = () => {
    const item = numbered({ name: "", type: "string" });
    focus.current = `[data-number="${item.number}"] input`;
    setItems([...items, item]);
  };
  const change = (at, said) => setItems(items.map((item, one) => (one === at ? { ...item, said } : item)));
  const remove = (at) => {
    focus.current = ".parameters__add";
    setTold(t("parameters.removed", { name: items[at].said.name }));
    setItems(items.filter((_, one) => one !== at));
  };
  const move = (at, to, way) => {
    if (to < 0 || to >= items.length) return;
    focus.current = `[data-number="${items[at].number}"] [data-way="${way}"]`;
    setTold(t("parameters.moved", { name: items[at].said.name, place: to + 1, count: items.length }));
    setItems(moved(items, at, to));
  };
  return html`<div class="parameters" ref=${section} role="group" aria-label=${t("parameters.title")}>
    <h2>${t("parameters.title")}</h2>
    <p class="field__hint">${t("parameters.about")}</p>
    <input type="hidden" name="parameters" ref=${hidden} />
    ${errors.parameters && html`<p class="field__error" role="alert">${errors.parameters.join(" ")}</p>`}
    ${items.map(
      ({ number, said }, at) => html`<${ParameterFields} key=${number} number=${number} at=${at} said=${said}
        count=${items.length} errors=${errorsOf(errors, at)} onChange=${(changed) => change(at, changed)}
        onMove=${(to, way) => move(at, to, way)} onRemove=${() => remove(at)} />`,
    )}
    <${Button} className="parameters__add" label=${t("parameters.add")} onClick=${add} />
    <p class="visually-hidden" role="status">${told}</p>
  </div>`;
}

/** A field that holds a value, and tells its form of each change. @param {string} value */
function useValue(value) {
  const field = useRef(null);
  const isFirst = useRef(true);
  useLayoutEffect(() => {
    field.current.value = value;
  }, [value]);
  useEffect(() => {
    if (!isFirst.current) field.current.dispatchEvent(new Event("input", { bubbles: true }));
    isFirst.current = false;
  }, [value]);
  return field;
}

function ParameterFields({ number, at, said, count, errors, onChange, onMove, onRemove }) {
  const name = said.name || t("parameters.new");
  const way = (which, to, label) => html`<${Button} small label=${label} aria-label=${`${label}: ${name}`} data-way=${which}
    aria-disabled=${to < 0 || to >= count} onClick=${() => onMove(to, which)} />`;
  const field = (one, control = input, extra = {}) => html`<${PartField} key=${one} one=${one} at=${at} said=${said}
    errors=${errors[one]} onChange=${onChange} control=${control} ...${extra} />`;
  const further = fieldsOf(said.type).filter((one) => one !== "choices");
  return html`<fieldset class="parameter" data-number=${number}>
    <legend class="mono">${name}</legend>
    <div class="parameter__fields">
      ${field("name")} ${field("type", typeChoice)} ${field("label")}
      ${said.type === "choice" && field("choices", choicesArea, { hint: t("parameters.choices.hint") })}
      ${field("description")}
      ${further.map((one) => field(one, one === "default" && said.type === "boolean" ? booleanChoice : input))}
    </div>
    <div class="parameter__actions">
      <label class="check">
        <input type="checkbox" checked=${Boolean(said.required)}
          onChange=${(event) => onChange({ ...said, required: event.target.checked })} />
        ${t("parameters.required")}
      </label>
      <span class="parameter__moves">
        ${way("up", at - 1, t("parameters.up"))} ${way("down", at + 1, t("parameters.down"))}
        <${Button} small kind="danger-quiet" label=${t("parameters.remove")}
          aria-label=${`${t("parameters.remove")}: ${name}`} onClick=${onRemove} />
      </span>
    </div>
  </fieldset>`;
}

/** A field of a parameter. */
function PartField({ one, at, said, errors, hint, control, onChange }) {
  const set = (value) => onChange({ ...said, [one]: value });
  return html`<${Field} name=${`parameters.${at}.${one}`} label=${t(`parameters.field.${one}`)} hint=${hint}
    errors=${errors} control=${(attributes) => control({ attributes, value: said[one], set })} />`;
}

const input = ({ attributes, value, set }) => html`<input ...${attributes} type="text" ...${UNAIDED}
  value=${value ?? ""} onInput=${(event) => set(event.target.value)} />`;

const choicesArea = ({ attributes, value = [], set }) => html`<textarea ...${attributes} rows="3" ...${UNAIDED}
  defaultValue=${value.join("\n")}
  onInput=${(event) => set(event.target.value.split("\n").filter((line) => line.trim() !== ""))}></textarea>`;

const select = (choices, say) => ({ attributes, value, set }) => html`<select ...${attributes}
  onChange=${(event) => set(event.target.value)}>
  ${choices.map((one) => html`<option key=${one} value=${one} selected=${one === String(value ?? "")}>${say(one)}</option>`)}
</select>`;

const typeChoice = select(TYPES, (type) => t(`parameters.type.${type}`));
const booleanChoice = select(["", "true", "false"], (value) => t(`values.${value || "none"}`));
