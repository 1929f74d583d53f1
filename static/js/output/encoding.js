/** In which encoding a command's output is read: a choice, kept in this browser for each command. */
import { readPreference, removePreference, storePreference } from "../base/preferences.js";
import { html, useState } from "../base/ui.js";
import { t } from "../words/words.js";

const UTF8 = "utf-8";
/** Labels of the Encoding Standard, and what people call them. */
const ENCODINGS = { [UTF8]: "UTF-8", "windows-1251": "Windows-1251", ibm866: "IBM866", "utf-16le": "UTF-16LE" };

const nameOf = (commandId) => `encoding.${commandId}`;

/** @param {string} commandId @returns {string} a label of the Encoding Standard */
export function encodingOf(commandId) {
  const chosen = readPreference(nameOf(commandId));
  return chosen in ENCODINGS ? chosen : UTF8;
}

/**
 * @param {string} commandId
 * @returns {[string, (encoding: string) => void]}
 */
export function useEncoding(commandId) {
  const [encoding, setEncoding] = useState(encodingOf(commandId));
  const choose = (chosen) => {
    const name = nameOf(commandId);
    if (chosen === UTF8) removePreference(name);
    else storePreference(name, chosen);
    setEncoding(chosen);
  };
  return [encoding, choose];
}

/** @param {{encoding: string, onChoose: (encoding: string) => void}} props */
export const EncodingChoice = ({ encoding, onChoose }) => html`<select class="encoding" aria-label=${t("output.encoding")}
  title=${t("output.encoding")} value=${encoding} onChange=${(event) => onChoose(event.target.value)}>
  ${Object.entries(ENCODINGS).map(([label, name]) => html`<option key=${label} value=${label}>${name}</option>`)}
</select>`;
