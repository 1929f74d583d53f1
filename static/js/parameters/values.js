/** Values of a command's parameters, as fields hold them: texts, and what is sent of them. Pure. */

/**
 * @typedef {import("../model/types.js").Parameter} Parameter
 * @typedef {Record<string, string|number|boolean>} Values
 */

/** Whether somebody is to be asked before a start. @param {import("../model/types.js").Command} command */
export const takesValues = (command) => command.parameters?.length > 0 || Boolean(command.options_truncated);

/**
 * What the fields hold at first: what was used last, where that is still one of the choices; else the default.
 * @param {Parameter[]} parameters
 * @param {Values|null|undefined} last
 * @returns {Record<string, string>}
 */
export function firstTexts(parameters, last) {
  const texts = parameters.map((parameter) => {
    const used = last?.[parameter.name];
    const fits = used !== undefined && (parameter.type !== "choice" || parameter.choices.includes(String(used)));
    return [parameter.name, String((fits ? used : parameter.default) ?? "")];
  });
  return Object.fromEntries(texts);
}

/**
 * What is sent of the texts: the server reads numbers and booleans of texts. An empty one is not given, unless it has
 * a default, in whose place it then stands.
 * @param {Parameter[]} parameters
 * @param {Record<string, string>} texts
 * @returns {Values}
 */
export function valuesOf(parameters, texts) {
  const given = parameters.filter(
    ({ name, type, default: usual }) => texts[name] !== "" || (TEXTS.includes(type) && Boolean(usual)),
  );
  return Object.fromEntries(given.map(({ name }) => [name, texts[name]]));
}

const TEXTS = ["string", "text"];

/** What of a problem is about values, by their names. @param {Record<string, string[]>} errors */
export function wrongValues(errors) {
  const found = Object.entries(errors).filter(([field]) => field.startsWith(PREFIX));
  return Object.fromEntries(found.map(([field, said]) => [field.slice(PREFIX.length), said]));
}

const PREFIX = "parameters.";
