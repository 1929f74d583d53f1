/** The clipboard, also on plain http, where browsers do not offer `navigator.clipboard`. */

/** @param {string} text @returns {Promise<void>} rejects when nothing was copied */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("not allowed");
  return undefined;
}
