/**
 * What the server joins the page's modules by, so that they come in one answer (server/handlers/page/joining.py).
 *
 * Each is a function that returns what the module exports. It is called once, when somebody first needs that.
 */

/** @type {Record<string, () => object>} by their paths below static/ */
const modules = {};

/** What modules export, and what of vendor/ is loaded. @type {Map<string, object>} by their paths */
const made = new Map();

/** @param {Record<string, () => object>} more @param {Record<string, object>} [loaded] of vendor/, by their paths */
export function add(more, loaded = {}) {
  Object.assign(modules, more);
  for (const [path, exported] of Object.entries(loaded)) made.set(path, exported);
}

/** @param {string} path @returns {object} what the module exports */
export function use(path) {
  if (!made.has(path)) made.set(path, modules[path]());
  return made.get(path);
}

/**
 * What `import(…)` of a module is.
 * @param {string} path
 * @param {string[]} vendors what it needs of vendor/
 * @returns {Promise<object>} what it exports
 */
export async function later(path, vendors) {
  const missing = vendors.filter((one) => !made.has(one));
  const loaded = await Promise.all(missing.map((one) => import(placeOf(one))));
  for (const [index, one] of missing.entries()) made.set(one, loaded[index]);
  return use(path);
}

/** What `import.meta.url` of a module is. @param {string} path @returns {string} */
export const placeOf = (path) => new URL(`../${path}`, import.meta.url).href;
