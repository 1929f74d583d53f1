/** Several states to choose, each by a dot and a word. */
import { html, useLayoutEffect, useRef } from "../base/ui.js";
import { STATES } from "../model/run.js";
import { stateLabel } from "../words/run.js";

/** @param {{label: string, chosen: string[], onChoose: (states: string) => void}} props states: with commas */
export function StateChoice({ label, chosen, onChoose }) {
  const toggle = ({ target }) => {
    const kept = STATES.filter((each) => (each === target.value ? target.checked : chosen.includes(each)));
    onChoose(kept.join());
  };
  const place = useRef(null);
  useLayoutEffect(() => {
    // A narrow screen scrolls them.
    const first = place.current.querySelector(":checked")?.parentElement;
    if (first) place.current.scrollLeft = first.offsetLeft - (place.current.clientWidth - first.offsetWidth) / 2;
  }, []);
  return html`<fieldset class="chips" ref=${place}>
    <legend class="visually-hidden">${label}</legend>
    ${STATES.map(
      (state) => html`<label class=${`chip state--${state}`} key=${state}>
        <input type="checkbox" value=${state} checked=${chosen.includes(state)} onChange=${toggle} />
        <span class="state__dot"></span>${stateLabel(state)}
      </label>`,
    )}
  </fieldset>`;
}
