/** Whether output is shown as a terminal shows it or as it was written: a choice, kept in this browser. */
import { readPreference, removePreference, storePreference } from "../../base/preferences.js";
import { html, useState } from "../../base/ui.js";
import { t } from "../../words/words.js";

const NAME = "output-as";

/** @returns {["terminal"|"written", (as: "terminal"|"written") => void]} */
export function useDrawing() {
  const [as, setAs] = useState(readPreference(NAME) === "written" ? "written" : "terminal");
  const choose = (chosen) => {
    if (chosen === "terminal") removePreference(NAME);
    else storePreference(NAME, chosen);
    setAs(chosen);
  };
  return [as, choose];
}

/** @param {{as: "terminal"|"written", onChoose: (as: "terminal"|"written") => void}} props */
export const DrawingChoice = ({ as, onChoose }) => html`<select class="encoding" aria-label=${t("terminal.choice")}
  title=${t("terminal.choice")} value=${as} onChange=${(event) => onChoose(event.target.value)}>
  <option value="terminal">${t("terminal.as-terminal")}</option>
  <option value="written">${t("terminal.as-written")}</option>
</select>`;
