/** In which language a script is written, as its first line says. */

const NAMED = /^#!\s*(?:\S*\/)?([^/\s]+)(?:\s+(?:-\S+\s+)*([^\s/]+))?/;

/**
 * @param {string} script
 * @returns {"shell"|"python"|null} null: one that is shown without colours
 */
export function languageOf(script) {
  const match = NAMED.exec(script);
  if (!match) return "shell";
  const name = match[1] === "env" ? (match[2] ?? "") : match[1];
  if (/^python[\d.]*$/.test(name)) return "python";
  return /^(?:ba|da|a|k|mk|z)?sh$/.test(name) ? "shell" : null;
}
